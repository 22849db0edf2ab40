//! What XTND's services say: boards, XLST and XMIT. The rules are those of the catalogue.

use super::Entry;
use crate::reply::language::Language;

entries! {
    BOARDS_FOLLOW "+OK " {
        en "Boards follow"
        de "Schwarze Bretter folgen"
        fr "Voici les tableaux d'affichage"
        es "Siguen los tablones"
        it "Seguono le bacheche"
        pt "Seguem os quadros de avisos"
        nl "Prikborden volgen"
        pl "Oto tablice ogłoszeń"
    }
    BOARD_FOLLOWS "+OK " {
        en "The board follows"
        de "Das schwarze Brett folgt"
        fr "Voici le tableau d'affichage"
        es "Sigue el tablón"
        it "Segue la bacheca"
        pt "Segue o quadro de avisos"
        nl "Het prikbord volgt"
        pl "Oto tablica ogłoszeń"
    }
    NO_SUCH_BOARD "-ERR " {
        en "No such board"
        de "Dieses schwarze Brett gibt es nicht"
        fr "Ce tableau d'affichage n'existe pas"
        es "No existe ese tablón"
        it "Bacheca inesistente"
        pt "Quadro de avisos inexistente"
        nl "Dat prikbord bestaat niet"
        pl "Nie ma takiej tablicy"
    }
    BOARD_TEMPORARY "-ERR [SYS/TEMP] " {
        en "The board cannot be opened now"
        de "Das schwarze Brett kann jetzt nicht geöffnet werden"
        fr "Le tableau d'affichage ne peut pas être ouvert maintenant"
        es "El tablón no se puede abrir ahora"
        it "La bacheca ora non si può aprire"
        pt "O quadro de avisos não pode ser aberto agora"
        nl "Het prikbord kan nu niet worden geopend"
        pl "Tablicy nie można teraz otworzyć"
    }
    BOARD_PERMANENT "-ERR [SYS/PERM] " {
        en "The board cannot be opened"
        de "Das schwarze Brett kann nicht geöffnet werden"
        fr "Le tableau d'affichage ne peut pas être ouvert"
        es "El tablón no se puede abrir"
        it "La bacheca non si può aprire"
        pt "O quadro de avisos não pode ser aberto"
        nl "Het prikbord kan niet worden geopend"
        pl "Tablicy nie można otworzyć"
    }
    FIELDS_FOLLOW "+OK " {
        en "Header fields follow"
        de "Kopffelder folgen"
        fr "Voici les champs d'en-tête"
        es "Siguen los campos de cabecera"
        it "Seguono i campi di intestazione"
        pt "Seguem os campos do cabeçalho"
        nl "Kopregels volgen"
        pl "Oto pola nagłówka"
    }
    SEND_MESSAGE "+OK " {
        en "Send the message, end it with a dot"
        de "Nachricht senden, mit einem Punkt beenden"
        fr "Envoyez le message, terminez-le par un point"
        es "Envíe el mensaje y termínelo con un punto"
        it "Inviare il messaggio, terminarlo con un punto"
        pt "Envie a mensagem, termine-a com um ponto"
        nl "Stuur het bericht, eindig met een punt"
        pl "Wyślij wiadomość, zakończ ją kropką"
    }
    MESSAGE_SUBMITTED "+OK " {
        en "The message was sent"
        de "Die Nachricht wurde gesendet"
        fr "Le message a été envoyé"
        es "El mensaje ha sido enviado"
        it "Il messaggio è stato inviato"
        pt "A mensagem foi enviada"
        nl "Het bericht is verzonden"
        pl "Wiadomość została wysłana"
    }
    SUBMISSION_TEMPORARY "-ERR [SYS/TEMP] " {
        en "The message was not sent, try again later"
        de "Die Nachricht wurde nicht gesendet, bitte später erneut versuchen"
        fr "Le message n'a pas été envoyé, réessayez plus tard"
        es "El mensaje no ha sido enviado, inténtelo más tarde"
        it "Il messaggio non è stato inviato, riprovare più tardi"
        pt "A mensagem não foi enviada, tente mais tarde"
        nl "Het bericht is niet verzonden, probeer het later opnieuw"
        pl "Wiadomość nie została wysłana, spróbuj później"
    }
    SUBMISSION_REFUSED "-ERR [SYS/PERM] " {
        en "The message was refused and not sent"
        de "Die Nachricht wurde abgewiesen und nicht gesendet"
        fr "Le message a été refusé et n'a pas été envoyé"
        es "El mensaje ha sido rechazado y no se ha enviado"
        it "Il messaggio è stato rifiutato e non inviato"
        pt "A mensagem foi recusada e não foi enviada"
        nl "Het bericht is geweigerd en niet verzonden"
        pl "Wiadomość została odrzucona i nie została wysłana"
    }
    SUBMISSION_TOO_LARGE "-ERR " {
        en "The message is too large and was not sent"
        de "Die Nachricht ist zu groß und wurde nicht gesendet"
        fr "Le message est trop grand et n'a pas été envoyé"
        es "El mensaje es demasiado grande y no se ha enviado"
        it "Il messaggio è troppo grande e non è stato inviato"
        pt "A mensagem é grande demais e não foi enviada"
        nl "Het bericht is te groot en niet verzonden"
        pl "Wiadomość jest za duża i nie została wysłana"
    }
    SUBMISSION_RECIPIENTS "-ERR " {
        en "Not sent: no recipient is named, or too many are"
        de "Nicht gesendet: kein Empfänger genannt, oder zu viele"
        fr "Non envoyé : aucun destinataire, ou trop de destinataires"
        es "No enviado: ningún destinatario, o demasiados"
        it "Non inviato: nessun destinatario, o troppi"
        pt "Não enviada: nenhum destinatário, ou demasiados"
        nl "Niet verzonden: geen ontvanger genoemd, of te veel"
        pl "Nie wysłano: brak odbiorców albo jest ich zbyt wielu"
    }
    SUBMISSION_SENDER "-ERR " {
        en "Not sent: the message is not from an address of yours"
        de "Nicht gesendet: der Absender ist keine Ihrer Adressen"
        fr "Non envoyé : l'expéditeur n'est pas une de vos adresses"
        es "No enviado: el remitente no es una dirección suya"
        it "Non inviato: il mittente non è un vostro indirizzo"
        pt "Não enviada: o remetente não é um endereço seu"
        nl "Niet verzonden: de afzender is geen adres van u"
        pl "Nie wysłano: nadawca nie jest twoim adresem"
    }
}
