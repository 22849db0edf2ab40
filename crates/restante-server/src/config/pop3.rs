//! `[pop3]`: how POP3 is spoken, where that is the operator's choice.

use super::section::section;
use super::value::{Fault, Value, quote, word};
use restante_proto::reply::language::Language;
use toml::de::DeValue;

section! {
    /// `[pop3]`: how POP3 is spoken.
    pub struct Pop3 {
        /// Is UTF8 (RFC 6856) offered? USER, PASS and APOP then take UTF-8, and nothing else outside ASCII. Default true.
        utf8: bool = true;
        /// The language that a client gets that leaves the choice to the server (`LANG *`): `en`, `de`, `fr`, `es`, `it`,
        /// `pt`, `nl` or `pl`. A client that does not ask is answered in English. Default `en`.
        language: Language = Language::English;
        /// Seconds after a login during which the same account's next one is refused with `[LOGIN-DELAY]`; announced by
        /// CAPA. The last logins are kept in `state_dir`. 0: no delay. Default 0.
        login_delay_s: u64 = 0, in 0..=86_400;
        /// Is LAST of RFC 1460 a command? What was accessed is then kept in the maildrops. Default false.
        last: bool = false;
    }
}

impl Value for Language {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        word(written, &Self::ALL.map(|language| (language.tag(), language)))
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.tag()))
    }
}
