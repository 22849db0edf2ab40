//! `[pop3]`: how POP3 is spoken, where that is the operator's choice.

use restante_config::choice;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::{Fault, Value, quote, word};
use restante_proto::quirk::{Quirk, Quirks};
use restante_proto::reply::language::Language;
use std::borrow::Cow;
use toml::de::DeValue;

section! {
    #[derive(PartialEq, Eq)]
    /// `[pop3]`: how POP3 is spoken.
    pub struct Pop3 {
        /// Is UTF8 (RFC 6856) offered? USER, PASS and APOP then take UTF-8, and nothing else outside ASCII. Default true.
        utf8: bool = true;
        /// The language that a client gets that leaves the choice to the server (`LANG *`): `en`, `de`, `fr`, `es`, `it`,
        /// `pt`, `nl` or `pl`. A client that does not ask is answered in English. Default `en`.
        language: Named<Language> = Named(Language::English);
        /// What a client that has not issued UTF8 is shown of a message whose header holds UTF-8: `faithful` (a surrogate in
        /// ASCII, RFC 6857), `refuse` (`-ERR [UTF8]`) or `as-stored`. Default `faithful`.
        surrogates: Surrogates = Surrogates::Faithful;
        /// Seconds after a login during which the same account's next one is refused with `[LOGIN-DELAY]`; announced by
        /// CAPA. The last logins are kept in `state_dir`. 0: no delay. Default 0.
        login_delay_s: u64 = 0, in 0..=86_400;
        /// Is LAST of RFC 1460 a command? What was accessed is then kept in the maildrops. Default false.
        last: bool = false;
        /// Workarounds for clients that are not as they should be (docs/quirks.md): those named here are on beside those
        /// that are on anyway; with a `-` before its name one is off. Default: none.
        quirks: Named<Quirks> = Named(Quirks::default());
        /// Is XTND XLST offered, Qpopper's list of a header field of all messages? It opens every message. Default false.
        xlst: bool = false;
    }
}

/// What must hold between the keys.
pub(super) fn check(pop3: &Pop3, lines: &Lines, problems: &mut Problems<'_>) {
    if !pop3.utf8 && pop3.surrogates == Surrogates::Refuse {
        problems.error(
            lines.at("pop3.surrogates"),
            "messages that need UTF8 are refused, and UTF8 is not offered: nobody could retrieve them",
            "set utf8 = true, or surrogates = \"faithful\"",
        );
    }
}

choice! {
    /// What is shown of a message in UTF-8 to a client that has not asked for it.
    pub enum Surrogates {
        /// The surrogate of RFC 6857.
        Faithful = "faithful",
        /// Nothing: RETR and TOP are refused.
        Refuse = "refuse",
        /// The message as it is, although RFC 6856 forbids it.
        AsStored = "as-stored",
    }
}

/// Something of proto's that is written by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl Value for Named<Language> {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        word(written, &Language::ALL.map(|language| (language.tag(), Self(language))))
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.0.tag()))
    }
}

impl Value for Named<Quirks> {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let known = Quirk::ALL.map(|quirk| (quirk.name(), quirk));
        let DeValue::Array(items) = written else {
            return Err(Fault::new(
                "this is no list",
                "write the names of workarounds in square brackets, with commas between",
            ));
        };
        let quirks = items.iter().try_fold(Quirks::default(), |quirks, item| match item.get_ref() {
            DeValue::String(name) => {
                let (name, is_on) = match name.strip_prefix('-') {
                    Some(name) => (name, false),
                    None => (name.as_ref(), true),
                };
                let quirk = word(&DeValue::String(Cow::Borrowed(name)), &known)?;
                Ok(quirks.with(quirk, is_on))
            }
            other => word(other, &known).map(|_: Quirk| quirks),
        });
        quirks.map(Self)
    }

    fn show(&self) -> Option<String> {
        let changed = Quirk::ALL.into_iter().filter(|quirk| self.0.has(*quirk) != quirk.only_forgives());
        let names = changed.map(|quirk| {
            let sign = if self.0.has(quirk) { "" } else { "-" };
            quote(&format!("{sign}{}", quirk.name()))
        });
        Some(format!("[{}]", names.collect::<Vec<_>>().join(", ")))
    }
}
