//! An mbox in a temporary folder, and short words for what tests do with it.

use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::{Listing, Marks};

use crate::disk::LocalDisk;
use crate::maildrop::{CHUNK_OCTETS, Maildrop, MessageError, OpenError, Removed};
use crate::mbox::Settings;
use crate::{Location, Store};

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) file: PathBuf,
    pub(super) control: PathBuf,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, control_root) = (folder.path().join("mail"), folder.path().join("control"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&control_root).unwrap();
        let mut settings = Settings::new(&root, &control_root);
        change(&mut settings);
        let store = Store::mbox(Arc::new(LocalDisk), settings);
        Self { store, file: root.join("alice"), control: control_root.join("alice"), folder }
    }

    pub(super) fn location(&self) -> Location {
        Location::Mbox { file: self.file.clone(), control: self.control.clone() }
    }

    pub(super) fn put(&self, contents: &[u8]) {
        fs::write(&self.file, contents).unwrap();
    }

    /// Appends as an MTA does.
    pub(super) fn append(&self, contents: &[u8]) {
        let file = fs::OpenOptions::new().append(true).create(true).open(&self.file);
        file.unwrap().write_all(contents).unwrap();
    }

    pub(super) fn contents(&self) -> String {
        String::from_utf8(fs::read(&self.file).unwrap()).unwrap()
    }

    pub(super) fn open(&self) -> Maildrop {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Maildrop, OpenError> {
        run(self.store.open(&self.location(), now()))
    }

    /// Unique-ids in order.
    pub(super) fn unique_ids(&self) -> Vec<String> {
        unique_ids(self.open().listing())
    }

    /// All messages as a session reads them.
    pub(super) fn messages(&self) -> Vec<String> {
        let maildrop = self.open();
        (0..maildrop.listing().len()).map(|index| text(&maildrop, index)).collect()
    }

    pub(super) fn deliver(&self, message: &[u8]) -> String {
        run(async {
            let mut delivery = self.store.begin(&self.location(), now()).await.unwrap();
            delivery.write(message).await.unwrap();
            let unique_id = delivery.commit(&self.location()).await.unwrap();
            delivery.abort().await;
            unique_id.as_str().to_owned()
        })
    }

    /// Forgets what was found out.
    pub(super) fn lose_index(&self) {
        fs::remove_file(self.control.join("restante.index")).unwrap();
    }
}

pub(super) fn unique_ids(listing: &Listing) -> Vec<String> {
    (0..listing.len()).map(|index| listing.unique_id(index).unwrap().as_str().to_owned()).collect()
}

pub(super) fn remove(maildrop: &mut Maildrop, indices: impl IntoIterator<Item = usize>) -> Removed {
    let mut marks = Marks::new();
    indices.into_iter().for_each(|index| {
        marks.mark(index);
    });
    run(maildrop.remove(&marks, now())).unwrap()
}

pub(super) fn read(maildrop: &Maildrop, index: usize) -> Result<Vec<u8>, MessageError> {
    run(async {
        let mut message = maildrop.message(index).await?;
        let mut octets = Vec::new();
        while message.read(&mut octets, CHUNK_OCTETS).await? > 0 {}
        assert_eq!(octets.len() as u64, message.shape().stored_octets);
        Ok(octets)
    })
}

pub(super) fn text(maildrop: &Maildrop, index: usize) -> String {
    String::from_utf8(read(maildrop, index).unwrap()).unwrap()
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A Thursday in 2025.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_739_441_472)
}
