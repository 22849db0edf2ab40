//! What UTF8 and LANG say (RFC 6856). The rules are those of the catalogue.

use super::Entry;
use crate::reply::language::Language;

entries! {
    UTF8_ON "+OK " {
        en "UTF-8 mode is on"
        de "UTF-8-Modus ist eingeschaltet"
        fr "Le mode UTF-8 est activé"
        es "El modo UTF-8 está activado"
        it "La modalità UTF-8 è attiva"
        pt "O modo UTF-8 está ativo"
        nl "UTF-8-modus is ingeschakeld"
        pl "Tryb UTF-8 jest włączony"
    }
    UTF8_NOT_OFFERED "-ERR " {
        en "UTF8 is not offered"
        de "UTF8 wird nicht angeboten"
        fr "UTF8 n'est pas proposé"
        es "No se ofrece UTF8"
        it "UTF8 non è offerto"
        pt "UTF8 não é oferecido"
        nl "UTF8 wordt niet aangeboden"
        pl "UTF8 nie jest dostępne"
    }
    /// R6856-2.1.12
    STLS_AFTER_UTF8 "-ERR " {
        en "STLS must come before UTF8"
        de "STLS muss vor UTF8 kommen"
        fr "STLS doit précéder UTF8"
        es "STLS debe preceder a UTF8"
        it "STLS deve precedere UTF8"
        pt "STLS deve vir antes de UTF8"
        nl "STLS moet vóór UTF8 komen"
        pl "STLS musi poprzedzać UTF8"
    }
    /// R6856-5.1
    NEEDS_UTF8 "-ERR [UTF8] " {
        en "The message can only be shown after UTF8"
        de "Die Nachricht kann nur nach UTF8 gezeigt werden"
        fr "Le message ne peut être montré qu'après UTF8"
        es "El mensaje solo puede mostrarse después de UTF8"
        it "Il messaggio può essere mostrato solo dopo UTF8"
        pt "A mensagem só pode ser mostrada depois de UTF8"
        nl "Het bericht kan alleen na UTF8 worden getoond"
        pl "Wiadomość można pokazać tylko po UTF8"
    }
    LANGUAGES_FOLLOW "+OK " {
        en "Languages follow"
        de "Sprachen folgen"
        fr "Voici les langues"
        es "Siguen los idiomas"
        it "Seguono le lingue"
        pt "Seguem os idiomas"
        nl "Talen volgen"
        pl "Oto języki"
    }
    /// Behind the tag of the language.
    LANGUAGE_CHANGED "+OK " {
        en "This is the language from now on"
        de "Ab jetzt auf Deutsch"
        fr "Les réponses sont désormais en français"
        es "Idioma cambiado"
        it "Lingua cambiata"
        pt "Idioma alterado"
        nl "Taal gewijzigd"
        pl "Zmieniono język"
    }
    /// R6856-3.2.2
    LANGUAGE_UNKNOWN "-ERR " {
        en "Language not known"
        de "Sprache nicht bekannt"
        fr "Langue inconnue"
        es "Idioma desconocido"
        it "Lingua sconosciuta"
        pt "Idioma desconhecido"
        nl "Taal niet bekend"
        pl "Nieznany język"
    }
}
