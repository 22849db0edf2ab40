//! The languages that replies are spoken in, and how a text of the catalogue goes onto the wire (RFC 6856 section 3).
//! The texts themselves are in `catalogue`.

use alloc::vec::Vec;

/// A language that every text of the catalogue exists in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// What a session speaks until LANG: English that a client may show to anybody (RFC 2277 section 4.5).
    #[default]
    Default,
    /// English.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Italian.
    Italian,
    /// Portuguese.
    Portuguese,
    /// Dutch.
    Dutch,
    /// Polish.
    Polish,
}

/// How a session speaks now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Voice {
    pub(crate) language: Language,
    /// UTF8 has been issued. Until then nothing outside ASCII leaves the server, whatever the language (R6856-2.1.6).
    pub(crate) utf8: bool,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Default,
        Self::English,
        Self::German,
        Self::French,
        Self::Spanish,
        Self::Italian,
        Self::Portuguese,
        Self::Dutch,
        Self::Polish,
    ];

    /// The tag of RFC 5646, as LANG shows it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Default => "i-default",
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
            Self::Portuguese => "pt",
            Self::Dutch => "nl",
            Self::Polish => "pl",
        }
    }

    /// The language's name in itself.
    pub(crate) const fn own_name(self) -> &'static str {
        match self {
            Self::Default => "English (default)",
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
            Self::Spanish => "Español",
            Self::Italian => "Italiano",
            Self::Portuguese => "Português",
            Self::Dutch => "Nederlands",
            Self::Polish => "Polski",
        }
    }

    /// The language that fits a basic language range best, by the lookup of RFC 4647 section 3.4: subtags are taken
    /// off at the end until a tag fits, so that "de-AT" finds "de". The range "*" is not for here.
    #[must_use]
    pub fn lookup(range: &[u8]) -> Option<Self> {
        // R6856-3.2.3
        let mut range = range;
        loop {
            let is_it = |language: &Self| language.tag().as_bytes().eq_ignore_ascii_case(range);
            if let Some(language) = Self::ALL.into_iter().find(is_it) {
                return Some(language);
            }
            let end = range.iter().rposition(|&octet| octet == b'-')?;
            range = range.get(..end)?;
        }
    }

    /// Whether the texts are the English ones, which every other language falls back to.
    pub(crate) const fn is_english(self) -> bool {
        matches!(self, Self::Default | Self::English)
    }
}

impl Voice {
    /// Appends a text: as it stands in UTF-8 mode, else with each letter outside ASCII spelled in ASCII, as people
    /// who write that language do where they must.
    pub(crate) fn append(self, text: &str, output: &mut Vec<u8>) {
        if self.utf8 || text.is_ascii() {
            output.extend_from_slice(text.as_bytes());
            return;
        }
        for letter in text.chars() {
            match u8::try_from(letter) {
                Ok(octet) if octet.is_ascii() => output.push(octet),
                _ => output.extend_from_slice(ascii_spelling(letter).as_bytes()),
            }
        }
    }
}

/// How a letter of the catalogue is spelled in ASCII. The umlauts are spelled the German way: no other language here
/// has them.
const fn ascii_spelling(letter: char) -> &'static str {
    match letter {
        'à' | 'á' | 'â' | 'ã' | 'ą' => "a",
        'ä' => "ae",
        'À' | 'Á' | 'Â' | 'Ã' | 'Ą' => "A",
        'Ä' => "Ae",
        'ç' | 'ć' => "c",
        'Ç' | 'Ć' => "C",
        'è' | 'é' | 'ê' | 'ë' | 'ę' => "e",
        'È' | 'É' | 'Ê' | 'Ë' | 'Ę' => "E",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'Ì' | 'Í' | 'Î' | 'Ï' => "I",
        'ł' => "l",
        'Ł' => "L",
        'ñ' | 'ń' => "n",
        'Ñ' | 'Ń' => "N",
        'ò' | 'ó' | 'ô' | 'õ' => "o",
        'ö' | 'œ' => "oe",
        'Ò' | 'Ó' | 'Ô' | 'Õ' => "O",
        'Ö' | 'Œ' => "Oe",
        'ś' => "s",
        'ß' => "ss",
        'Ś' => "S",
        'ù' | 'ú' | 'û' => "u",
        'ü' => "ue",
        'Ù' | 'Ú' | 'Û' => "U",
        'Ü' => "Ue",
        'ź' | 'ż' => "z",
        'Ź' | 'Ż' => "Z",
        _ => UNSPELLED,
    }
}

/// For a letter without an ASCII spelling; a test sees to it that the catalogue has none.
const UNSPELLED: &str = "?";
