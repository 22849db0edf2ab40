//! Octets of packets: numbers, strings and paths written one after the other, and read again by whoever trusts nobody.
//!
//! There is no version: both ends are the same program, even the same file of it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use restante_proto::secret::SecretBuffer;

/// A packet being written.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    octets: SecretBuffer,
}

impl Writing {
    /// Begins with a word of one octet.
    pub(crate) fn new(word: u8) -> Self {
        let mut writing = Self::default();
        writing.octets.push(word);
        writing
    }

    pub(crate) fn octet(mut self, octet: u8) -> Self {
        self.octets.push(octet);
        self
    }

    pub(crate) fn number(mut self, number: u32) -> Self {
        self.octets.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(crate) fn long(mut self, number: u64) -> Self {
        self.octets.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// A string of any octets. One that fits into no packet makes a packet that is not sent.
    pub(crate) fn string(mut self, string: &[u8]) -> Self {
        self.octets.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.octets.extend_from_slice(string);
        self
    }

    pub(crate) fn path(self, path: &Path) -> Self {
        self.string(path.as_os_str().as_bytes())
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// A packet being read.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    rest: &'a [u8],
}

impl<'a> Reading<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) fn octet(&mut self) -> io::Result<u8> {
        let (&first, rest) = self.rest.split_first().ok_or_else(broken)?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn number(&mut self) -> io::Result<u32> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(broken)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*number))
    }

    pub(crate) fn long(&mut self) -> io::Result<u64> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(broken)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub(crate) fn string(&mut self) -> io::Result<&'a [u8]> {
        let octets = usize::try_from(self.number()?).map_err(|_| broken())?;
        let (string, rest) = self.rest.split_at_checked(octets).ok_or_else(broken)?;
        self.rest = rest;
        Ok(string)
    }

    pub(crate) fn text(&mut self) -> io::Result<&'a str> {
        std::str::from_utf8(self.string()?).map_err(|_| broken())
    }

    /// An absolute path that the system can take.
    pub(crate) fn path(&mut self) -> io::Result<PathBuf> {
        let path = self.string()?;
        let is_possible = path.starts_with(b"/") && path.len() <= PATH_OCTETS_MAX && !path.contains(&0);
        match is_possible {
            true => Ok(PathBuf::from(OsStr::from_bytes(path))),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no absolute path")),
        }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left over is a mistake.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(broken()) }
    }
}

/// A packet says what none of ours says.
pub(crate) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a packet that cannot be understood")
}

/// What Linux takes.
const PATH_OCTETS_MAX: usize = 4095;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let packet =
            Writing::new(7).number(u32::MAX).long(5).string(b"\xff").path(Path::new("/a/b")).octet(1);
        let mut reading = Reading::new(packet.octets());
        assert_eq!(reading.octet().unwrap(), 7);
        assert_eq!(reading.number().unwrap(), u32::MAX);
        assert_eq!(reading.long().unwrap(), 5);
        assert_eq!(reading.string().unwrap(), b"\xff");
        assert!(reading.finish().is_err());
        assert_eq!(reading.path().unwrap(), Path::new("/a/b"));
        assert_eq!(reading.octet().unwrap(), 1);
        reading.finish().unwrap();
        assert!(reading.octet().is_err() && reading.string().is_err() && reading.long().is_err());
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = Writing::default().number(3).long(4).string(b"abc");
        for end in 0..whole.len() {
            let mut reading = Reading::new(&whole.octets()[..end]);
            let all = reading.number().and_then(|_| reading.long()).and_then(|_| reading.string().map(drop));
            assert!(all.is_err(), "{end}");
        }
    }

    #[test]
    fn only_absolute_paths_are_paths() {
        for path in [&b""[..], b"a", b"../a", b"/a\0b", &[b'/'; 5000]] {
            let packet = Writing::default().string(path);
            assert!(Reading::new(packet.octets()).path().is_err(), "{path:?}");
        }
    }
}
