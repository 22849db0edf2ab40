//! Files that the configuration names to recognize a server by: read whole, and told apart when there is nothing in them.
//!
//! Called where accounts are assembled and where sinks are opened.

use std::io;
use std::path::Path;

use restante_client::connect::pem_roots;
use restante_client::error::Error;
use restante_store::disk::{Access, Disk, Kind as FileKind};
use rustls::RootCertStore;

use crate::report::{Failure, Kind};

/// The authorities of a PEM file: at least one.
pub(crate) struct Authorities {
    /// The file.
    pub(crate) pem: Vec<u8>,
    /// What it says.
    pub(crate) roots: RootCertStore,
}

/// Reads the authorities that somebody wants to trust in place of the machine's.
///
/// # Errors
/// [`Kind::Configuration`] when the file cannot be read, holds none, or one that cannot be used.
pub(crate) fn authorities(disk: &dyn Disk, path: &Path) -> Result<Authorities, Failure> {
    let pem = file(disk, path)?;
    let roots = pem_roots(&pem).map_err(|error| {
        let why = match error {
            Error::NoRoots => "there is no certificate in it".to_owned(),
            Error::OwnCertificate(why) => why.to_string(),
            other => other.to_string(),
        };
        let what = format!("cannot take authorities from {}: {why}", path.display());
        Failure::new(Kind::Configuration, what)
            .remedy("name a PEM file that holds certificates of authorities")
    })?;
    Ok(Authorities { pem, roots })
}

/// A small file that the configuration names; what is beyond [`FILE_OCTETS_MAX`] is not looked at.
///
/// # Errors
/// [`Kind::Configuration`] when it cannot be read.
pub(crate) fn file(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        let file = disk.open(path, Access::Named)?;
        if file.stat()?.kind != FileKind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no file"));
        }
        let (mut octets, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let count = file.read_at(&mut buffer, octets.len() as u64)?;
            octets.extend(buffer.iter().take(count));
            if count == 0 || octets.len() > FILE_OCTETS_MAX {
                return Ok(octets);
            }
        }
    };
    read().map_err(|error| {
        Failure::new(Kind::Configuration, format!("cannot read {}: {error}", path.display()))
    })
}

/// A file of authorities has a few hundred kilobytes.
const FILE_OCTETS_MAX: usize = 16 * 1024 * 1024;
