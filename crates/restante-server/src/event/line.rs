//! One log line being written, as logfmt or as JSON.
//!
//! Control characters, quotation marks and backslashes are escaped in both forms, so that nothing from outside can
//! end a line, begin a field or speak to a terminal.

use crate::config::LogFormat;
use restante_proto::visible::is_hidden;
use std::fmt::{self, Write};

/// A line that is being written.
pub(super) struct Line<'o> {
    format: LogFormat,
    output: &'o mut String,
    is_first: bool,
}

impl<'o> Line<'o> {
    pub(super) fn begin(format: LogFormat, output: &'o mut String) -> Self {
        if format == LogFormat::Json {
            output.push('{');
        }
        Self { format, output, is_first: true }
    }

    /// A value that is known to need no escaping: a word of ours, a trace, a time.
    pub(super) fn word(&mut self, key: &str, value: &dyn fmt::Display) {
        self.key(key);
        // Writing to a String cannot fail; the same holds below.
        let _ = match self.format {
            LogFormat::Logfmt => write!(self.output, "{value}"),
            LogFormat::Json => write!(self.output, "\"{value}\""),
        };
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.output, "{value}");
    }

    /// A value that may hold anything.
    pub(super) fn text(&mut self, key: &str, value: &dyn fmt::Display) {
        self.key(key);
        let start = self.output.len();
        let mut escape = Escape { output: self.output, is_plain: true };
        let _ = write!(escape, "{value}");
        let is_plain = escape.is_plain && self.output.len() > start;
        if self.format == LogFormat::Json || !is_plain {
            self.output.insert(start, '"');
            self.output.push('"');
        }
    }

    pub(super) fn end(self) {
        self.output.push_str(match self.format {
            LogFormat::Logfmt => "\n",
            LogFormat::Json => "}\n",
        });
    }

    fn key(&mut self, key: &str) {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let _ = match self.format {
            LogFormat::Logfmt if is_first => write!(self.output, "{key}="),
            LogFormat::Logfmt => write!(self.output, " {key}="),
            LogFormat::Json if is_first => write!(self.output, "\"{key}\":"),
            LogFormat::Json => write!(self.output, ",\"{key}\":"),
        };
    }
}

/// Escapes what passes through, and notes whether it could stand without quotation marks.
struct Escape<'o> {
    output: &'o mut String,
    is_plain: bool,
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '"' | '\\' => {
                    self.is_plain = false;
                    self.output.push('\\');
                    self.output.push(letter);
                }
                ' ' | '=' => {
                    self.is_plain = false;
                    self.output.push(letter);
                }
                // Joiners too: two names that differ in nothing else must not look alike here.
                hidden if is_hidden(hidden) || matches!(hidden, '\u{200c}' | '\u{200d}') => {
                    self.is_plain = false;
                    // As JSON has it: what is above the first plane takes two.
                    for unit in hidden.encode_utf16(&mut [0; 2]) {
                        write!(self.output, "\\u{unit:04x}")?;
                    }
                }
                plain => self.output.push(plain),
            }
        }
        Ok(())
    }
}
