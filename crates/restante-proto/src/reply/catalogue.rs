//! The texts of all replies in all languages: one entry a reply, one line a language.
//!
//! **To add a reply**, add an entry: its name, how its line begins (status and response code, the same in every
//! language), the English text, and the others beside it. A language that is missing falls back to English, and a
//! test names it. The server's states say an entry with `Entry::append`; nothing else spells a reply.
//!
//! Rules for a text, all tested: one short line without brackets at its start; no letter that `language` cannot
//! spell in ASCII; "lock", "wait" and "unavailable", also within longer words, only where the client should come
//! again later, since fetchmail reads them; and English, what most clients will ever see, in ASCII.

use alloc::vec::Vec;

use super::decimal;
use super::language::{Language, Voice};

/// A reply that is one fixed line.
#[derive(Debug)]
pub(crate) struct Entry {
    /// How the line begins, up to the text: status, response code, space.
    start: &'static str,
    /// The whole line in English with its CR LF, so that the common case is one copy.
    line: &'static str,
    others: &'static [(Language, &'static str)],
}

/// A reply with numbers between its pieces of text, one piece more than numbers.
#[derive(Debug)]
pub(crate) struct Counting {
    english: &'static [&'static str],
    others: &'static [(Language, &'static [&'static str])],
}

impl Entry {
    /// Appends the reply with its CR LF.
    pub(crate) fn append(&self, voice: Voice, output: &mut Vec<u8>) {
        match translation(self.others, voice.language) {
            None => output.extend_from_slice(self.line.as_bytes()),
            Some(text) => {
                output.extend_from_slice(self.start.as_bytes());
                voice.append(text, output);
                output.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The text alone.
    pub(crate) fn text(&self, language: Language) -> &'static str {
        let english = self.line.strip_prefix(self.start).and_then(|line| line.strip_suffix("\r\n"));
        translation(self.others, language).or(english).unwrap_or_default()
    }

    /// The reply in English, with its CR LF.
    pub(crate) const fn line(&self) -> &'static [u8] {
        self.line.as_bytes()
    }
}

impl Counting {
    /// Appends the reply, positive, with its CR LF.
    pub(crate) fn append(&self, numbers: &[u64], voice: Voice, output: &mut Vec<u8>) {
        let pieces = translation(self.others, voice.language).unwrap_or(self.english);
        debug_assert_eq!(pieces.len(), numbers.len() + 1, "a number between two pieces");
        output.extend_from_slice(b"+OK ");
        let mut numbers = numbers.iter();
        for piece in pieces {
            voice.append(piece, output);
            numbers.next().into_iter().for_each(|&number| decimal(number, output));
        }
        output.extend_from_slice(b"\r\n");
    }
}

/// What only the tests of the rules above need to know.
#[cfg(test)]
impl Entry {
    pub(crate) fn exists_in(&self, language: Language) -> bool {
        translation(self.others, language).is_some()
    }
}

/// What only the tests of the rules above need to know.
#[cfg(test)]
impl Counting {
    pub(crate) fn exists_in(&self, language: Language) -> bool {
        translation(self.others, language).is_some_and(|pieces| pieces.len() == self.english.len())
    }

    pub(crate) const fn numbers(&self) -> usize {
        self.english.len() - 1
    }
}

/// The text in a language other than English, if there is one.
fn translation<T: Copy>(others: &[(Language, T)], language: Language) -> Option<T> {
    if language.is_english() {
        return None;
    }
    others.iter().find(|(known, _)| *known == language).map(|(_, text)| *text)
}

/// The two-letter column heads of the catalogue.
macro_rules! language {
    (de) => {
        Language::German
    };
    (fr) => {
        Language::French
    };
    (es) => {
        Language::Spanish
    };
    (it) => {
        Language::Italian
    };
    (pt) => {
        Language::Portuguese
    };
    (nl) => {
        Language::Dutch
    };
    (pl) => {
        Language::Polish
    };
}

macro_rules! entries {
    ($($(#[$about:meta])* $name:ident $start:literal { en $english:literal $($tag:ident $text:literal)* })*) => {
        $(
            $(#[$about])*
            pub(crate) const $name: &Entry = &Entry {
                start: $start,
                line: concat!($start, $english, "\r\n"),
                others: &[$((language!($tag), $text)),*],
            };
        )*
        /// Every entry with its name, for the tests of the rules above.
        #[cfg(test)]
        pub(crate) const ENTRIES: &[(&str, &Entry)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! countings {
    ($($(#[$about:meta])* $name:ident { en $english:tt $($tag:ident $pieces:tt)* })*) => {
        $(
            $(#[$about])*
            pub(crate) const $name: &Counting = &Counting {
                english: &$english,
                others: &[$((language!($tag), &$pieces)),*],
            };
        )*
        /// Every counting reply with its name, for the tests of the rules above.
        #[cfg(test)]
        pub(crate) const COUNTINGS: &[(&str, &Counting)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) mod services; // what XTND says
pub(crate) mod utf8; // what UTF8 and LANG say

countings! {
    /// To a login, to RSET and to LIST: how many messages, how many octets. "Messages: 2" and not "2 messages" where
    /// the noun would have to follow the number.
    CONTENTS {
        en ["", " messages (", " octets)"]
        de ["Nachrichten: ", " (Oktette: ", ")"]
        fr ["Messages : ", " (octets : ", ")"]
        es ["Mensajes: ", " (octetos: ", ")"]
        it ["Messaggi: ", " (ottetti: ", ")"]
        pt ["Mensagens: ", " (octetos: ", ")"]
        nl ["Berichten: ", " (octetten: ", ")"]
        pl ["Liczba wiadomości: ", " (oktetów: ", ")"]
    }
    /// To RETR: the octets that follow.
    MESSAGE_FOLLOWS {
        en ["", " octets"]
        de ["Oktette: ", ""]
        fr ["Octets : ", ""]
        es ["Octetos: ", ""]
        it ["Ottetti: ", ""]
        pt ["Octetos: ", ""]
        nl ["Octetten: ", ""]
        pl ["Liczba oktetów: ", ""]
    }
}

entries! {
    CAPABILITIES_FOLLOW "+OK " {
        en "Capability list follows"
        de "Liste der Fähigkeiten folgt"
        fr "Voici la liste des capacités"
        es "Sigue la lista de capacidades"
        it "Segue l'elenco delle funzionalità"
        pt "Segue a lista de capacidades"
        nl "Lijst van mogelijkheden volgt"
        pl "Oto lista możliwości"
    }
    MECHANISMS_FOLLOW "+OK " {
        en "Mechanisms follow"
        de "Mechanismen folgen"
        fr "Voici les mécanismes"
        es "Siguen los mecanismos"
        it "Seguono i meccanismi"
        pt "Seguem os mecanismos"
        nl "Mechanismen volgen"
        pl "Oto mechanizmy"
    }
    USER_TAKEN "+OK " {
        en "Send the password"
        de "Jetzt das Passwort senden"
        fr "Envoyez le mot de passe"
        es "Envíe la contraseña"
        it "Inviare la password"
        pt "Envie a senha"
        nl "Stuur het wachtwoord"
        pl "Podaj hasło"
    }
    START_TLS "+OK " {
        en "Begin the TLS negotiation"
        de "TLS-Aushandlung beginnen"
        fr "Commencez la négociation TLS"
        es "Inicie la negociación TLS"
        it "Avviare la negoziazione TLS"
        pt "Inicie a negociação TLS"
        nl "Begin de TLS-onderhandeling"
        pl "Rozpocznij negocjację TLS"
    }
    NOTHING_DONE "+OK " {
        en "Nothing done"
        de "Nichts getan"
        fr "Rien n'a été fait"
        es "No se ha hecho nada"
        it "Nessuna operazione eseguita"
        pt "Nada foi feito"
        nl "Niets gedaan"
        pl "Nic nie zrobiono"
    }
    MARKED "+OK " {
        en "Message marked deleted"
        de "Nachricht zum Löschen markiert"
        fr "Message marqué comme supprimé"
        es "Mensaje marcado para borrar"
        it "Messaggio contrassegnato come eliminato"
        pt "Mensagem marcada como apagada"
        nl "Bericht gemarkeerd als verwijderd"
        pl "Wiadomość oznaczono jako usuniętą"
    }
    TOP_FOLLOWS "+OK " {
        en "Top of the message follows"
        de "Anfang der Nachricht folgt"
        fr "Voici le début du message"
        es "Sigue el comienzo del mensaje"
        it "Segue l'inizio del messaggio"
        pt "Segue o início da mensagem"
        nl "Begin van het bericht volgt"
        pl "Oto początek wiadomości"
    }
    UNIQUE_IDS_FOLLOW "+OK " {
        en "Unique-ids follow"
        de "Eindeutige Kennungen folgen"
        fr "Voici les identifiants uniques"
        es "Siguen los identificadores únicos"
        it "Seguono gli identificativi univoci"
        pt "Seguem os identificadores únicos"
        nl "Unieke kenmerken volgen"
        pl "Oto unikatowe identyfikatory"
    }
    GOODBYE "+OK " {
        en "Goodbye"
        de "Auf Wiedersehen"
        fr "Au revoir"
        es "Hasta luego"
        it "Arrivederci"
        pt "Até logo"
        nl "Tot ziens"
        pl "Do widzenia"
    }
    UNKNOWN_COMMAND "-ERR " {
        en "Unknown command"
        de "Unbekannter Befehl"
        fr "Commande inconnue"
        es "Comando desconocido"
        it "Comando sconosciuto"
        pt "Comando desconhecido"
        nl "Onbekende opdracht"
        pl "Nieznane polecenie"
    }
    WRONG_STATE "-ERR " {
        en "Not possible in this state"
        de "In diesem Zustand nicht möglich"
        fr "Impossible dans cet état"
        es "No es posible en este estado"
        it "Non possibile in questo stato"
        pt "Não é possível neste estado"
        nl "Niet mogelijk in deze toestand"
        pl "Niemożliwe w tym stanie"
    }
    LINE_TOO_LONG "-ERR " {
        en "Line too long"
        de "Zeile zu lang"
        fr "Ligne trop longue"
        es "Línea demasiado larga"
        it "Riga troppo lunga"
        pt "Linha longa demais"
        nl "Regel te lang"
        pl "Zbyt długi wiersz"
    }
    ARGUMENT_MISSING "-ERR " {
        en "An argument is missing"
        de "Ein Argument fehlt"
        fr "Il manque un argument"
        es "Falta un argumento"
        it "Manca un argomento"
        pt "Falta um argumento"
        nl "Er ontbreekt een argument"
        pl "Brakuje argumentu"
    }
    ARGUMENT_UNEXPECTED "-ERR " {
        en "Too many arguments"
        de "Zu viele Argumente"
        fr "Trop d'arguments"
        es "Demasiados argumentos"
        it "Troppi argomenti"
        pt "Argumentos demais"
        nl "Te veel argumenten"
        pl "Zbyt wiele argumentów"
    }
    ARGUMENT_INVALID "-ERR " {
        en "Invalid argument"
        de "Ungültiges Argument"
        fr "Argument invalide"
        es "Argumento no válido"
        it "Argomento non valido"
        pt "Argumento inválido"
        nl "Ongeldig argument"
        pl "Nieprawidłowy argument"
    }
    NO_SUCH_MESSAGE "-ERR " {
        en "No such message"
        de "Diese Nachricht gibt es nicht"
        fr "Ce message n'existe pas"
        es "No existe ese mensaje"
        it "Messaggio inesistente"
        pt "Mensagem inexistente"
        nl "Dat bericht bestaat niet"
        pl "Nie ma takiej wiadomości"
    }
    MESSAGE_DELETED "-ERR " {
        en "The message is marked deleted"
        de "Die Nachricht ist zum Löschen markiert"
        fr "Le message est marqué comme supprimé"
        es "El mensaje está marcado para borrar"
        it "Il messaggio è contrassegnato come eliminato"
        pt "A mensagem está marcada como apagada"
        nl "Het bericht is gemarkeerd als verwijderd"
        pl "Wiadomość jest oznaczona jako usunięta"
    }
    /// Somebody would have to change what the account may do (RFC 3206 section 4).
    READ_ONLY "-ERR [SYS/PERM] " {
        en "The maildrop can only be read"
        de "Das Postfach kann nur gelesen werden"
        fr "La boîte aux lettres ne peut qu'être lue"
        es "El buzón solo se puede leer"
        it "La casella si può solo leggere"
        pt "A caixa de correio só pode ser lida"
        nl "De postbus kan alleen worden gelezen"
        pl "Skrzynkę można tylko czytać"
    }
    TOO_MANY_BAD_COMMANDS "-ERR " {
        en "Too many bad commands, closing"
        de "Zu viele fehlerhafte Befehle, Verbindung wird beendet"
        fr "Trop de commandes erronées, fermeture"
        es "Demasiados comandos erróneos, se cierra la conexión"
        it "Troppi comandi errati, chiusura della connessione"
        pt "Comandos errados demais, a encerrar"
        nl "Te veel foute opdrachten, verbinding wordt verbroken"
        pl "Zbyt wiele błędnych poleceń, zamykam połączenie"
    }
    USER_FIRST "-ERR " {
        en "PASS must follow USER"
        de "PASS muss auf USER folgen"
        fr "PASS doit suivre USER"
        es "PASS debe seguir a USER"
        it "PASS deve seguire USER"
        pt "PASS deve vir depois de USER"
        nl "PASS moet op USER volgen"
        pl "PASS musi następować po USER"
    }
    USER_NOT_OFFERED "-ERR " {
        en "USER and PASS are not offered"
        de "USER und PASS werden nicht angeboten"
        fr "USER et PASS ne sont pas proposés"
        es "No se ofrecen USER ni PASS"
        it "USER e PASS non sono offerti"
        pt "USER e PASS não são oferecidos"
        nl "USER en PASS worden niet aangeboden"
        pl "USER i PASS nie są dostępne"
    }
    USER_NEEDS_TLS "-ERR " {
        en "Start TLS first"
        de "Zuerst TLS starten"
        fr "Démarrez d'abord TLS"
        es "Primero inicie TLS"
        it "Avviare prima TLS"
        pt "Inicie primeiro o TLS"
        nl "Start eerst TLS"
        pl "Najpierw uruchom TLS"
    }
    /// Only for PASS and AUTH: RFC 3206 section 5 counts an attempt against policy among the credential failures, and
    /// section 5 too keeps the code away from USER (R3206-5.1, R3206-5.3).
    PASSWORD_NEEDS_TLS "-ERR [AUTH] " {
        en "No password without encryption: start TLS first"
        de "Kein Passwort ohne Verschlüsselung: zuerst TLS starten"
        fr "Pas de mot de passe sans chiffrement : démarrez d'abord TLS"
        es "Ninguna contraseña sin cifrado: primero inicie TLS"
        it "Nessuna password senza cifratura: avviare prima TLS"
        pt "Nenhuma senha sem cifra: inicie primeiro o TLS"
        nl "Geen wachtwoord zonder versleuteling: start eerst TLS"
        pl "Hasło tylko przez szyfrowane połączenie: najpierw uruchom TLS"
    }
    APOP_NOT_OFFERED "-ERR " {
        en "APOP is not offered"
        de "APOP wird nicht angeboten"
        fr "APOP n'est pas proposé"
        es "No se ofrece APOP"
        it "APOP non è offerto"
        pt "APOP não é oferecido"
        nl "APOP wordt niet aangeboden"
        pl "APOP nie jest dostępne"
    }
    STLS_NOT_OFFERED "-ERR " {
        en "STLS is not offered"
        de "STLS wird nicht angeboten"
        fr "STLS n'est pas proposé"
        es "No se ofrece STLS"
        it "STLS non è offerto"
        pt "STLS não é oferecido"
        nl "STLS wordt niet aangeboden"
        pl "STLS nie jest dostępne"
    }
    STLS_ALREADY "-ERR " {
        en "TLS is already active"
        de "TLS ist bereits aktiv"
        fr "TLS est déjà actif"
        es "TLS ya está activo"
        it "TLS è già attivo"
        pt "O TLS já está ativo"
        nl "TLS is al actief"
        pl "TLS jest już aktywne"
    }
    MECHANISM_UNKNOWN "-ERR " {
        en "Mechanism not supported"
        de "Mechanismus nicht unterstützt"
        fr "Mécanisme non pris en charge"
        es "Mecanismo no admitido"
        it "Meccanismo non supportato"
        pt "Mecanismo não suportado"
        nl "Mechanisme niet ondersteund"
        pl "Nieobsługiwany mechanizm"
    }
    AUTH_CANCELLED "-ERR " {
        en "Cancelled"
        de "Abgebrochen"
        fr "Annulé"
        es "Cancelado"
        it "Annullato"
        pt "Cancelado"
        nl "Geannuleerd"
        pl "Anulowano"
    }
    AUTH_NOT_BASE64 "-ERR " {
        en "The response is not base64"
        de "Die Antwort ist kein Base64"
        fr "La réponse n'est pas en base64"
        es "La respuesta no está en base64"
        it "La risposta non è in base64"
        pt "A resposta não está em base64"
        nl "Het antwoord is geen base64"
        pl "Odpowiedź nie jest w formacie base64"
    }
    AUTH_MALFORMED "-ERR " {
        en "The response does not fit the mechanism"
        de "Die Antwort passt nicht zum Mechanismus"
        fr "La réponse ne convient pas au mécanisme"
        es "La respuesta no corresponde al mecanismo"
        it "La risposta non è adatta al meccanismo"
        pt "A resposta não corresponde ao mecanismo"
        nl "Het antwoord past niet bij het mechanisme"
        pl "Odpowiedź nie pasuje do mechanizmu"
    }
    /// What SCRAM binds a login to is not this TLS connection, or is not what both sides can do.
    AUTH_BINDING "-ERR " {
        en "The channel binding does not fit"
        de "Die Kanalbindung passt nicht"
        fr "La liaison au canal ne correspond pas"
        es "La vinculación de canal no coincide"
        it "Il vincolo al canale non corrisponde"
        pt "A vinculação ao canal não corresponde"
        nl "De kanaalbinding klopt niet"
        pl "Powiązanie z kanałem się nie zgadza"
    }
    /// A binding serves one login on a connection (R9266-4.1.1).
    AUTH_BINDING_SPENT "-ERR " {
        en "The channel binding was used already, connect again"
        de "Die Kanalbindung wurde schon verwendet, bitte neu verbinden"
        fr "La liaison au canal a déjà servi, reconnectez-vous"
        es "La vinculación de canal ya se usó, conéctese de nuevo"
        it "Il vincolo al canale è già stato usato, riconnettersi"
        pt "A vinculação ao canal já foi usada, ligue-se de novo"
        nl "De kanaalbinding is al gebruikt, maak opnieuw verbinding"
        pl "Powiązanie z kanałem zostało już użyte, połącz się ponownie"
    }
    AUTH_NO_INITIAL_RESPONSE "-ERR " {
        en "The mechanism takes no initial response"
        de "Der Mechanismus erlaubt keine erste Antwort"
        fr "Le mécanisme n'admet pas de réponse initiale"
        es "El mecanismo no admite respuesta inicial"
        it "Il meccanismo non ammette una risposta iniziale"
        pt "O mecanismo não aceita resposta inicial"
        nl "Het mechanisme kent geen eerste antwoord"
        pl "Mechanizm nie przyjmuje odpowiedzi początkowej"
    }
    /// R3206-6.1
    WRONG_CREDENTIALS "-ERR [AUTH] " {
        en "Wrong user name or password"
        de "Benutzername oder Passwort falsch"
        fr "Nom d'utilisateur ou mot de passe incorrect"
        es "Nombre de usuario o contraseña incorrectos"
        it "Nome utente o password errati"
        pt "Nome de utilizador ou senha incorretos"
        nl "Onjuiste gebruikersnaam of onjuist wachtwoord"
        pl "Błędna nazwa użytkownika lub hasło"
    }
    /// R2449-8.1.2.1
    IN_USE "-ERR [IN-USE] " {
        en "The maildrop is locked by another session"
        de "Das Postfach ist durch eine andere Sitzung belegt"
        fr "La boîte aux lettres est utilisée par une autre session"
        es "Otra sesión está usando el buzón"
        it "La casella è in uso in un'altra sessione"
        pt "A caixa de correio está em uso por outra sessão"
        nl "Het postvak is in gebruik door een andere sessie"
        pl "Skrzynka jest używana przez inną sesję"
    }
    /// R2449-8.1.1.1
    LOGIN_DELAY "-ERR [LOGIN-DELAY] " {
        en "The last login was too recent, wait before the next"
        de "Die letzte Anmeldung ist zu kurz her, bitte später erneut versuchen"
        fr "La dernière connexion est trop récente, patientez avant la suivante"
        es "El último acceso es demasiado reciente, espere antes del siguiente"
        it "L'ultimo accesso è troppo recente, attendere prima del prossimo"
        pt "O último acesso é recente demais, aguarde antes do próximo"
        nl "De laatste aanmelding is te kort geleden, wacht even met de volgende"
        pl "Poprzednie logowanie było zbyt niedawno, spróbuj później"
    }
    /// R3206-4.1
    TEMPORARY "-ERR [SYS/TEMP] " {
        en "Service temporarily unavailable, try again later"
        de "Der Dienst ist vorübergehend nicht verfügbar, bitte später erneut versuchen"
        fr "Service temporairement indisponible, réessayez plus tard"
        es "Servicio no disponible por el momento, inténtelo más tarde"
        it "Servizio temporaneamente non disponibile, riprovare più tardi"
        pt "Serviço temporariamente indisponível, tente mais tarde"
        nl "De dienst is tijdelijk niet beschikbaar, probeer het later opnieuw"
        pl "Usługa chwilowo niedostępna, spróbuj później"
    }
    /// R3206-4.2
    PERMANENT "-ERR [SYS/PERM] " {
        en "The maildrop cannot be opened, ask the postmaster"
        de "Das Postfach kann nicht geöffnet werden, bitte den Postmaster fragen"
        fr "La boîte aux lettres ne peut pas être ouverte, contactez le postmaster"
        es "No se puede abrir el buzón, consulte al postmaster"
        it "Impossibile aprire la casella, rivolgersi al postmaster"
        pt "Não é possível abrir a caixa de correio, contacte o postmaster"
        nl "Het postvak kan niet worden geopend, vraag het de postmaster"
        pl "Nie można otworzyć skrzynki, skontaktuj się z postmasterem"
    }
    TOO_MANY_SESSIONS "-ERR [SYS/TEMP] " {
        en "Too many sessions, wait and try again"
        de "Zu viele Sitzungen, bitte später erneut versuchen"
        fr "Trop de sessions, patientez et réessayez"
        es "Demasiadas sesiones, espere e inténtelo de nuevo"
        it "Troppe sessioni, attendere e riprovare"
        pt "Sessões demais, aguarde e tente de novo"
        nl "Te veel sessies, wacht even en probeer het opnieuw"
        pl "Zbyt wiele sesji, spróbuj później"
    }
    SHUTTING_DOWN "-ERR [SYS/TEMP] " {
        en "Service unavailable: shutting down"
        de "Dienst nicht verfügbar: der Server wird beendet"
        fr "Service indisponible : arrêt en cours"
        es "Servicio no disponible: el servidor se está apagando"
        it "Servizio non disponibile: arresto in corso"
        pt "Serviço indisponível: o servidor está a encerrar"
        nl "Dienst niet beschikbaar: de server wordt afgesloten"
        pl "Usługa niedostępna: serwer jest zamykany"
    }
    /// R3206-4.4
    UNREADABLE_NOW "-ERR [SYS/TEMP] " {
        en "The message cannot be read now"
        de "Die Nachricht kann jetzt nicht gelesen werden"
        fr "Le message ne peut pas être lu pour l'instant"
        es "Ahora no se puede leer el mensaje"
        it "Al momento non è possibile leggere il messaggio"
        pt "De momento não é possível ler a mensagem"
        nl "Het bericht kan nu niet worden gelezen"
        pl "Nie można teraz odczytać wiadomości"
    }
    UNREADABLE "-ERR [SYS/PERM] " {
        en "The message cannot be read"
        de "Die Nachricht kann nicht gelesen werden"
        fr "Le message ne peut pas être lu"
        es "No se puede leer el mensaje"
        it "Impossibile leggere il messaggio"
        pt "Não é possível ler a mensagem"
        nl "Het bericht kan niet worden gelezen"
        pl "Nie można odczytać wiadomości"
    }
    /// R1939-6.4
    NOT_REMOVED_NOW "-ERR [SYS/TEMP] " {
        en "Some deleted messages were not removed"
        de "Einige gelöschte Nachrichten wurden nicht entfernt"
        fr "Certains messages supprimés n'ont pas été effacés"
        es "Algunos mensajes borrados no se han eliminado"
        it "Alcuni messaggi eliminati non sono stati rimossi"
        pt "Algumas mensagens apagadas não foram removidas"
        nl "Sommige verwijderde berichten zijn niet gewist"
        pl "Niektóre oznaczone wiadomości nie zostały usunięte"
    }
    NOT_REMOVED "-ERR [SYS/PERM] " {
        en "Some deleted messages were not removed"
        de "Einige gelöschte Nachrichten wurden nicht entfernt"
        fr "Certains messages supprimés n'ont pas été effacés"
        es "Algunos mensajes borrados no se han eliminado"
        it "Alcuni messaggi eliminati non sono stati rimossi"
        pt "Algumas mensagens apagadas não foram removidas"
        nl "Sommige verwijderde berichten zijn niet gewist"
        pl "Niektóre oznaczone wiadomości nie zostały usunięte"
    }
}
