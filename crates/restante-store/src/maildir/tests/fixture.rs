//! A maildrop in a temporary folder, and short words for what tests do with it.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use restante_proto::maildrop::{Listing, Marks};

use crate::delivery::DeliveryError;
use crate::disk::{Disk, LocalDisk};
use crate::maildir::Settings;
use crate::maildrop::{CHUNK_OCTETS, Maildrop, MessageError, OpenError, Removed};
use crate::{Location, Store};

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) path: PathBuf,
}

/// What a listing shows: unique-id and octets, in order.
pub(super) type Shown = Vec<(String, u64)>;

impl Fixture {
    pub(super) fn new() -> Self {
        Self::on(Arc::new(LocalDisk), |_| ())
    }

    pub(super) fn on(disk: Arc<dyn Disk>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice");
        for name in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        let mut settings = Settings::new(folder.path());
        change(&mut settings);
        Self { store: Store::maildir(disk, settings), folder, path }
    }

    pub(super) fn location(&self) -> Location {
        Location::Maildir(self.path.clone())
    }

    pub(super) fn put(&self, name: &str, contents: &[u8]) {
        fs::write(self.path.join(name), contents).unwrap();
    }

    pub(super) fn open(&self) -> Maildrop {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Maildrop, OpenError> {
        run(self.store.open(&self.location(), now()))
    }

    /// What a session would be shown.
    pub(super) fn shown(&self) -> Shown {
        let maildrop = self.open();
        shown(maildrop.listing())
    }

    pub(super) fn unique_ids(&self) -> Vec<String> {
        self.shown().into_iter().map(|(unique_id, _)| unique_id).collect()
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

    /// Delivers one message to several maildrops.
    pub(super) fn deliver_to(&self, message: &[u8], names: &[&str]) -> Vec<Result<String, DeliveryError>> {
        run(async {
            let locations: Vec<_> =
                names.iter().map(|name| Location::Maildir(self.root().join(name))).collect();
            let mut delivery = self.store.begin(&locations[0], now()).await.unwrap();
            let mut results = Vec::new();
            if let Err(error) = delivery.write(message).await {
                results.push(Err(error));
            } else {
                for location in &locations {
                    let result = delivery.commit(location).await;
                    results.push(result.map(|unique_id| unique_id.as_str().to_owned()));
                }
            }
            delivery.abort().await;
            results
        })
    }

    pub(super) fn remove(
        &self,
        maildrop: &mut Maildrop,
        indices: impl IntoIterator<Item = usize>,
    ) -> Removed {
        run(maildrop.remove(&marks(indices), now())).unwrap()
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.path.join("restante.index")
    }

    /// All files of the maildrop but ours.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.path)
    }
}

pub(super) fn files(maildir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["tmp", "new", "cur"] {
        for entry in fs::read_dir(maildir.join(folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().display());
            files.insert(name, fs::read(entry.path()).unwrap_or_default());
        }
    }
    files
}

pub(super) fn shown(listing: &Listing) -> Shown {
    let entry = |index| {
        let unique_id = listing.unique_id(index).unwrap().as_str().to_owned();
        (unique_id, listing.octets(index).unwrap().as_u64())
    };
    (0..listing.len()).map(entry).collect()
}

pub(super) fn read(maildrop: &Maildrop, index: usize) -> Result<Vec<u8>, MessageError> {
    run(async {
        let mut message = maildrop.message(index).await?;
        let mut octets = Vec::new();
        while message.read(&mut octets, CHUNK_OCTETS).await? > 0 {}
        Ok(octets)
    })
}

pub(super) fn marks(indices: impl IntoIterator<Item = usize>) -> Marks {
    let mut marks = Marks::new();
    indices.into_iter().for_each(|index| {
        marks.mark(index);
    });
    marks
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
