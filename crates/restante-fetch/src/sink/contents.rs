//! The octets of a message on its way into a sink, read from its file in the line ends that the sink wants.

use std::io;
use std::path::PathBuf;

use restante_store::disk::{Access, Disk, DiskFile};

use super::{LineEnds, Message};
use crate::failure::Failure;

/// Gives a message piece by piece, its lines ending as `wanted` says. A piece has at most 128 KiB.
///
/// # Errors
/// When the file cannot be read, or is not as long as the message says; and whatever `each` says.
pub(crate) fn read<E: From<Failure>>(
    disk: &dyn Disk,
    message: &Message<'_>,
    wanted: LineEnds,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::open(disk, message, wanted)?;
    while let Some(piece) = reader.next()? {
        each(piece)?;
    }
    Ok(())
}

/// A message that is being read.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    converter: Converter,
    chunk: Vec<u8>,
    output: Vec<u8>,
    offset: u64,
    end: u64,
    is_finished: bool,
}

impl Reader {
    /// Begins at its first octet.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(disk: &dyn Disk, message: &Message<'_>, wanted: LineEnds) -> Result<Self, Failure> {
        let file = disk.open(message.path, Access::Read).map_err(Failure::at("open", message.path))?;
        Ok(Self {
            file,
            path: message.path.to_owned(),
            converter: Converter::new(message.line_ends, wanted),
            chunk: vec![0; CHUNK_OCTETS],
            output: Vec::new(),
            offset: 0,
            end: message.file_octets,
            is_finished: false,
        })
    }

    /// The next octets, at most 128 KiB; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or has become shorter.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        self.output.clear();
        while self.output.is_empty() && self.offset < self.end {
            let failed = Failure::at("read", &self.path);
            let count = match self.file.read_at(&mut self.chunk, self.offset) {
                Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter")),
                count => count,
            };
            let rest = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
            let count = count.map_err(failed)?.min(rest);
            self.offset += count as u64;
            self.converter.convert(self.chunk.get(..count).unwrap_or_default(), &mut self.output);
        }
        if self.output.is_empty() && !self.is_finished {
            self.is_finished = true;
            self.converter.finish(&mut self.output);
        }
        Ok(Some(self.output.as_slice()).filter(|output| !output.is_empty()))
    }
}

/// Turns one kind of line ends into the other.
#[derive(Debug)]
pub(crate) struct Converter {
    from: LineEnds,
    to: LineEnds,
    /// The last octet was a CR that may belong to a line end.
    is_after_cr: bool,
}

impl Converter {
    pub(crate) const fn new(from: LineEnds, to: LineEnds) -> Self {
        Self { from, to, is_after_cr: false }
    }

    /// How lines end in what comes out.
    pub(crate) const fn to(&self) -> LineEnds {
        self.to
    }

    /// Appends `octets`, cut anywhere, to `output`. From LF, every LF is a line end; from CRLF only CRLF is, and a lone CR or LF stays.
    pub(crate) fn convert(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        match (self.from, self.to) {
            (LineEnds::Crlf, LineEnds::Lf) => self.drop_cr(octets, output),
            (LineEnds::Lf, LineEnds::Crlf) => {
                let mut rest = octets;
                while let Some(at) = memchr::memchr(b'\n', rest) {
                    let (before, from_lf) = rest.split_at_checked(at).unwrap_or((rest, &[]));
                    output.extend_from_slice(before);
                    output.extend_from_slice(b"\r\n");
                    rest = from_lf.get(1..).unwrap_or_default();
                }
                output.extend_from_slice(rest);
            }
            (LineEnds::Lf, LineEnds::Lf) | (LineEnds::Crlf, LineEnds::Crlf) => {
                output.extend_from_slice(octets)
            }
        }
    }

    fn drop_cr(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        let Some(&first) = octets.first() else { return };
        if std::mem::take(&mut self.is_after_cr) && first != b'\n' {
            output.push(b'\r');
        }
        let mut rest = octets;
        while let Some(at) = memchr::memchr(b'\r', rest) {
            let (before, from_cr) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            output.extend_from_slice(before);
            rest = from_cr.get(1..).unwrap_or_default();
            match rest.first() {
                Some(b'\n') => {}
                Some(_) => output.push(b'\r'),
                None => self.is_after_cr = true,
            }
        }
        output.extend_from_slice(rest);
    }

    /// A CR at the very end is no line end.
    pub(crate) fn finish(&mut self, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_after_cr) {
            output.push(b'\r');
        }
    }
}

const CHUNK_OCTETS: usize = 64 * 1024;
