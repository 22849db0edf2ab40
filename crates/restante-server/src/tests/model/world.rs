//! The real thing: a server in memory over a Maildir on disk, and the hands that carry the actions of a run out on it and on
//! the reference, and compare what comes of both.

use super::action::{Action, Name, Sabotage};
use super::maildrop::{Answer, Around, Maildrop, Message, Session, canonical};
use crate::config::Protocol;
use crate::shared::Shared;
use crate::tests::spawn_in_memory;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;

/// What was done in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Lines said, deliveries, and everything else that happened.
    pub(super) steps: u64,
    pub(super) sessions: u64,
    pub(super) deliveries: u64,
    /// Messages removed by QUIT.
    pub(super) removed: u64,
    pub(super) retrieved_octets: u64,
}

/// One maildrop, those who work on it, and the reference of it all.
pub(super) struct World {
    shared: Arc<Shared>,
    account: String,
    folder: PathBuf,
    maildrop: Maildrop,
    clients: [Option<Client>; 2],
    serial: u64,
    /// A copy of the index.
    index: Option<Vec<u8>>,
    pub(super) counts: Counts,
    /// What was said and done, if somebody wants to read it.
    pub(super) transcript: Option<Vec<String>>,
}

/// A connection, and what must come of it.
struct Client {
    stream: DuplexStream,
    heard: Vec<u8>,
    /// The session is over for the server.
    ended: oneshot::Receiver<()>,
    session: Session,
}

impl World {
    /// An empty maildrop for the account, whatever was there before.
    pub(super) fn new(shared: &Arc<Shared>, root: &Path, account: String) -> Self {
        let folder = root.join("mail").join(&account);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("nobody else is in there");
        }
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(part)).expect("the disk works");
        }
        Self {
            shared: Arc::clone(shared),
            account,
            folder,
            maildrop: Maildrop::default(),
            clients: [None, None],
            serial: 0,
            index: None,
            counts: Counts::default(),
            transcript: None,
        }
    }

    /// Lets all of it happen, and looks at the end whether a new session finds what must be there.
    ///
    /// # Errors
    /// What the server did, and what it should have.
    pub(super) async fn run(&mut self, actions: &[Action]) -> Result<(), String> {
        for action in actions {
            self.act(action).await?;
            self.compare_disk()?;
        }
        for slot in 0..self.clients.len() {
            self.part(slot).await?;
        }
        let login = ["USER {account}", "PASS secret", "STAT", "LIST", "UIDL"].map(str::to_owned).to_vec();
        let rest = (1..=self.maildrop.messages.len()).map(|number| format!("RETR {number}"));
        let lines: Vec<String> = login.into_iter().chain(rest).chain(["QUIT".to_owned()]).collect();
        self.act(&Action::Connect { slot: 0, pipe: 65_536 }).await?;
        self.act(&Action::Say { slot: 0, lines, cuts: 1 }).await?;
        self.compare_disk()
    }

    async fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Connect { slot, pipe } => self.connect(*slot, *pipe).await,
            Action::Say { slot, lines, cuts } => self.say(*slot, lines, *cuts).await,
            Action::Vanish { slot, lines, octets } => self.vanish(*slot, lines, *octets).await,
            Action::Deliver { message, is_cut } => self.deliver(message, *is_cut).await,
            Action::Put { message, name, is_in_cur } => self.put(message, *name, *is_in_cur),
            Action::Take { which } => self.take(*which),
            Action::Flag { which, flags } => self.flag(*which, flags),
            Action::Index(sabotage) => self.sabotage(*sabotage),
            Action::Settle => self.settle().await,
        }
    }

    /// A client that is there already stays.
    async fn connect(&mut self, slot: usize, pipe: usize) -> Result<(), String> {
        if self.clients[slot].is_some() {
            return Ok(());
        }
        self.step(format!("client {slot} connects"));
        self.counts.sessions += 1;
        let (stream, ended) = spawn_in_memory(&self.shared, Protocol::Pop3, pipe);
        let mut client = Client { stream, heard: Vec::new(), ended, session: Session::new() };
        let greeting = client.line().await?;
        self.note(format!("S{slot}: {greeting}"));
        self.clients[slot] = Some(client);
        if greeting.starts_with("+OK") { Ok(()) } else { Err(format!("greeted with {greeting:?}")) }
    }

    /// Says the lines and hears the answers, while both sides go on at their own pace.
    async fn say(&mut self, slot: usize, lines: &[String], cuts: u64) -> Result<(), String> {
        let Some(mut client) = self.clients[slot].take() else { return Ok(()) };
        let lines: Vec<String> = lines.iter().map(|line| self.filled(line)).collect();
        let is_locked = self.clients.iter().flatten().any(|other| other.session.is_logged_in());
        let mut expected = Vec::new();
        for line in &lines {
            if client.session.is_closed() {
                break;
            }
            let before = self.maildrop.messages.len();
            let mut around = Around { account: &self.account, maildrop: &mut self.maildrop, is_locked };
            let answer = client.session.answer(line, &mut around);
            self.counts.removed += (before - self.maildrop.messages.len()) as u64;
            self.counts.steps += 1;
            expected.push((line.clone(), answer));
        }
        let said: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let Client { stream, heard, .. } = &mut client;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = async {
            for piece in pieces(said.as_bytes(), cuts) {
                // Lines behind QUIT may find nobody.
                if writer.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Ok::<(), String>(())
        };
        let mut ears = Ears { reader: &mut reader, heard };
        let hear = async {
            for (line, answer) in &expected {
                self.note(format!("C{slot}: {line}"));
                let first =
                    ears.line().await.map_err(|error| format!("{line:?} is not answered: {error}"))?;
                self.note(format!("S{slot}: {first}"));
                self.compare(answer, &first, &mut ears)
                    .await
                    .map_err(|error| format!("{line:?}: {error}"))?;
            }
            Ok(())
        };
        tokio::try_join!(write, hear)?;
        let (is_closed, errors) = (client.session.is_closed(), client.session.errors);
        let is_logged_in = client.session.is_logged_in();
        self.clients[slot] = Some(client);
        // Before it loses its patience.
        if is_closed || errors >= if is_logged_in { 90 } else { 4 } {
            self.part(slot).await?;
        }
        Ok(())
    }

    /// Whether the server's answer is the right one. `first` is its first line.
    async fn compare(&mut self, answer: &Answer, first: &str, ears: &mut Ears<'_>) -> Result<(), String> {
        let right =
            |is_right: bool| if is_right { Ok(()) } else { Err(format!("{first:?}, not {answer:?}")) };
        match answer {
            Answer::Ok => right(first.starts_with("+OK")),
            Answer::Challenge => right(first.starts_with("+ ")),
            Answer::Line(line) => right(first == line),
            Answer::Err(codes) => {
                let code =
                    first.strip_prefix("-ERR [").and_then(|rest| rest.split_once(']')).map(|(code, _)| code);
                right(
                    first.starts_with("-ERR") && code.map_or(codes.is_empty(), |code| codes.contains(&code)),
                )
            }
            Answer::Body(octets) => {
                right(first.starts_with("+OK"))?;
                self.counts.retrieved_octets += octets.len() as u64;
                let heard = ears.octets(octets.len()).await?;
                if &heard == octets {
                    return Ok(());
                }
                Err(format!("{}\n  where it should be\n{}", heard.escape_ascii(), octets.escape_ascii()))
            }
            Answer::AnyBody => {
                right(first.starts_with("+OK"))?;
                while ears.line().await? != "." {}
                Ok(())
            }
            Answer::UniqueId(number, message) => {
                let shown = first.strip_prefix(&format!("+OK {number} ")).unwrap_or_default();
                self.maildrop.show(message, shown)
            }
            Answer::UniqueIds(messages) => {
                right(first.starts_with("+OK"))?;
                for (number, message) in messages {
                    let line = ears.line().await?;
                    let shown = line.strip_prefix(&format!("{number} ")).unwrap_or_default();
                    self.maildrop.show(message, shown).map_err(|error| format!("{line:?}: {error}"))?;
                }
                let end = ears.line().await?;
                if end == "." { Ok(()) } else { Err(format!("{end:?} after the last unique-id")) }
            }
        }
    }

    /// The client says a part of what it wanted and is gone. Only a QUIT that was said to its end may have removed
    /// anything, and then all or nothing.
    async fn vanish(&mut self, slot: usize, lines: &[String], octets: usize) -> Result<(), String> {
        let Some(mut client) = self.clients[slot].take() else { return Ok(()) };
        let lines: Vec<String> = lines.iter().map(|line| self.filled(line)).collect();
        let said: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let said = &said.as_bytes()[..octets.min(said.len())];
        self.step(format!("client {slot} says {:?} and is gone", String::from_utf8_lossy(said)));
        let is_locked = self.clients.iter().flatten().any(|other| other.session.is_logged_in());
        let mut may_go = Vec::new();
        let whole = said.iter().filter(|&&octet| octet == b'\n').count();
        for line in lines.iter().take(whole) {
            if client.session.is_closed() {
                break;
            }
            self.counts.steps += 1;
            let marked = client.session.marked();
            // Whatever it would come to: it must not happen to the reference yet.
            let mut copy = self.maildrop.clone();
            let mut around = Around { account: &self.account, maildrop: &mut copy, is_locked };
            client.session.answer(line, &mut around);
            if client.session.is_closed() {
                may_go = marked;
            }
        }
        // What does not fit into the pipe is never said.
        let _ = tokio::time::timeout(Duration::from_millis(1), client.stream.write_all(said)).await;
        let Client { stream, ended, .. } = client;
        drop(stream);
        ended.await.map_err(|_| "the session has panicked".to_owned())?;
        let there = self.on_disk()?;
        let is_gone =
            |message: &Message| may_go.contains(&message.serial) && !there.contains_key(&message.name);
        if self.maildrop.messages.iter().any(|message| is_gone(message)) {
            let before = self.maildrop.messages.len();
            self.maildrop.messages.retain(|message| !may_go.contains(&message.serial));
            self.counts.removed += (before - self.maildrop.messages.len()) as u64;
            self.note("its QUIT was heard".to_owned());
        }
        Ok(())
    }

    /// The client is gone without a word, or the server has closed.
    async fn part(&mut self, slot: usize) -> Result<(), String> {
        let Some(mut client) = self.clients[slot].take() else { return Ok(()) };
        if client.session.is_closed() {
            let mut rest = std::mem::take(&mut client.heard);
            client.stream.read_to_end(&mut rest).await.map_err(|error| error.to_string())?;
            if !rest.is_empty() {
                return Err(format!("after its end the server says {}", rest.escape_ascii()));
            }
        } else {
            self.step(format!("client {slot} is gone"));
        }
        drop(client.stream);
        client.ended.await.map_err(|_| "the session has panicked".to_owned())
    }

    async fn deliver(&mut self, message: &[u8], is_cut: bool) -> Result<(), String> {
        let before = self.on_disk()?;
        let mut said = format!(
            "LHLO mx.example.net\r\nMAIL FROM:<s@example.net>\r\nRCPT TO:<{}@example.org>\r\nDATA\r\n",
            self.account
        )
        .into_bytes();
        for line in message.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b".") {
                said.push(b'.');
            }
            said.extend_from_slice(line);
        }
        said.extend_from_slice(if is_cut { b"" } else { b".\r\nQUIT\r\n" });
        let (mut stream, ended) = spawn_in_memory(&self.shared, Protocol::Lmtp, 1 << 20);
        stream.write_all(&said).await.map_err(|error| error.to_string())?;
        stream.shutdown().await.map_err(|error| error.to_string())?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.map_err(|error| error.to_string())?;
        ended.await.map_err(|_| "the session has panicked".to_owned())?;
        let heard = String::from_utf8_lossy(&heard).into_owned();
        let taken = heard.lines().skip_while(|line| !line.starts_with("354")).nth(1);
        let is_taken = taken.is_some_and(|line| line.starts_with("250"));
        self.step(format!("mail comes by LMTP: {}", taken.unwrap_or("cut off")));
        if is_taken == is_cut {
            return Err(format!("LMTP: {heard}"));
        }
        let after = self.on_disk()?;
        let mut fresh = after.iter().filter(|(name, _)| !before.contains_key(*name));
        match (fresh.next(), fresh.next()) {
            (None, None) if is_cut => Ok(()),
            (Some((name, path)), None) if !is_cut => {
                let stored = fs::read(path).map_err(|error| error.to_string())?;
                if !canonical(&stored).ends_with(message) {
                    return Err(format!("delivered was {}", stored.escape_ascii()));
                }
                self.counts.deliveries += 1;
                self.add(name.clone(), stored, 0);
                Ok(())
            }
            _ => Err(format!("after a delivery there are {:?}", after.values())),
        }
    }

    fn put(&mut self, message: &[u8], name: Name, is_in_cur: bool) -> Result<(), String> {
        let serial = self.serial;
        let name = match name {
            Name::Old(seconds) => format!("{}.V{serial}.elsewhere", 1_500_000_000 + seconds),
            Name::Coming(seconds) => {
                format!("{}.M{serial}P1.elsewhere", 4_000_000_000_u64 + u64::from(seconds))
            }
            Name::Timeless => format!("msg-{serial:06}"),
            Name::Odd => format!("1600000000.{serial} \u{fc}"),
            Name::Long => format!("1600000000.{serial:0100}"),
        };
        self.step(format!("another program puts {name} into cur: {is_in_cur}"));
        let temporary = self.folder.join("tmp").join(&name);
        let target = if is_in_cur { format!("cur/{name}:2,") } else { format!("new/{name}") };
        let put = || {
            fs::write(&temporary, message)?;
            let seconds = fs::metadata(&temporary)?.mtime();
            fs::rename(&temporary, self.folder.join(target))?;
            std::io::Result::Ok(seconds)
        };
        let seconds = put().map_err(|error| error.to_string())?;
        self.counts.deliveries += 1;
        self.add(name.into_bytes(), message.to_vec(), seconds);
        Ok(())
    }

    /// Adds a message to the reference. Its time is what its name begins with, or else its file's.
    fn add(&mut self, name: Vec<u8>, stored: Vec<u8>, seconds: i64) {
        let written = String::from_utf8_lossy(&name).split('.').next().and_then(|time| time.parse().ok());
        let (serial, time) = (self.serial, written.unwrap_or(seconds));
        self.serial += 1;
        self.maildrop.messages.push(Rc::new(Message { serial, name, time, stored }));
    }

    fn take(&mut self, which: usize) -> Result<(), String> {
        let Some(message) = self.maildrop.messages.get(which).cloned() else { return Ok(()) };
        self.step(format!("another program removes {}", message.name.escape_ascii()));
        let path = self.path_of(&message)?;
        self.maildrop.messages.remove(which);
        fs::remove_file(path).map_err(|error| error.to_string())
    }

    fn flag(&mut self, which: usize, flags: &str) -> Result<(), String> {
        let Some(message) = self.maildrop.messages.get(which).cloned() else { return Ok(()) };
        self.step(format!("another program flags {} with {flags:?}", message.name.escape_ascii()));
        let path = self.path_of(&message)?;
        let name = [&message.name[..], flags.as_bytes()].concat();
        let target = self.folder.join("cur").join(std::ffi::OsString::from_vec(name));
        fs::rename(path, target).map_err(|error| error.to_string())
    }

    fn sabotage(&mut self, sabotage: Sabotage) -> Result<(), String> {
        let path = self.folder.join("restante.index");
        let Ok(mut bytes) = fs::read(&path) else { return Ok(()) };
        self.step(format!("the index: {sabotage:?}"));
        match sabotage {
            Sabotage::Delete => return fs::remove_file(&path).map_err(|error| error.to_string()),
            Sabotage::Truncate(length) => bytes.truncate(length as usize),
            Sabotage::Append => bytes.extend_from_slice(b"\x03\0\x06nonsense"),
            Sabotage::Flip(_) if bytes.is_empty() => {}
            Sabotage::Flip(at) => {
                let at = at as usize % bytes.len();
                bytes[at] ^= 0x10;
            }
            Sabotage::Copy => self.index = Some(bytes.clone()),
            Sabotage::Restore => match &self.index {
                Some(copy) => bytes.clone_from(copy),
                None => return Ok(()),
            },
        }
        let mut file = fs::File::create(&path).map_err(|error| error.to_string())?;
        file.write_all(&bytes).map_err(|error| error.to_string())
    }

    /// Waits until the last change of the folders is so long ago that the index may be believed about them.
    async fn settle(&mut self) -> Result<(), String> {
        self.step("nothing happens for a while".to_owned());
        let mut last = UNIX_EPOCH;
        for part in ["new", "cur"] {
            let metadata = fs::metadata(self.folder.join(part)).map_err(|error| error.to_string())?;
            let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
            last = last.max(UNIX_EPOCH + Duration::new(metadata.ctime().cast_unsigned(), nanoseconds));
        }
        // The runtime's clock stands still, so others get their turn meanwhile.
        while SystemTime::now() < last + SETTLED {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Whether exactly the messages of the reference are there.
    fn compare_disk(&self) -> Result<(), String> {
        let there = self.on_disk()?;
        for message in &self.maildrop.messages {
            if !there.contains_key(&message.name) {
                return Err(format!("{} is gone", message.name.escape_ascii()));
            }
        }
        if there.len() == self.maildrop.messages.len() {
            return Ok(());
        }
        Err(format!("there are {:?}, and there should be {}", there.values(), self.maildrop.messages.len()))
    }

    /// The messages in `new` and `cur` by their names without flags.
    fn on_disk(&self) -> Result<BTreeMap<Vec<u8>, PathBuf>, String> {
        let mut there = BTreeMap::new();
        for part in ["new", "cur"] {
            for entry in fs::read_dir(self.folder.join(part)).map_err(|error| error.to_string())? {
                let entry = entry.map_err(|error| error.to_string())?;
                let name = entry.file_name();
                let name = name.as_bytes().split(|&octet| octet == b':').next().unwrap_or_default();
                if there.insert(name.to_vec(), entry.path()).is_some() {
                    return Err(format!("{} is there twice", name.escape_ascii()));
                }
            }
        }
        Ok(there)
    }

    fn path_of(&self, message: &Message) -> Result<PathBuf, String> {
        let mut there = self.on_disk()?;
        there.remove(&message.name).ok_or_else(|| format!("{} is gone", message.name.escape_ascii()))
    }

    /// A line with the names and secrets of this account in it.
    fn filled(&self, line: &str) -> String {
        if !line.contains('{') {
            return line.to_owned();
        }
        let plain = |password| super::maildrop::base64(&format!("\0{}\0{password}", self.account));
        line.replace("{account}", &self.account)
            .replace("{right}", &plain("secret"))
            .replace("{wrong}", &plain("wrong"))
    }

    /// Something happens.
    fn step(&mut self, what: String) {
        self.counts.steps += 1;
        self.note(what);
    }

    fn note(&mut self, what: String) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(what);
        }
    }
}

impl Client {
    async fn line(&mut self) -> Result<String, String> {
        let (mut reader, _) = tokio::io::split(&mut self.stream);
        Ears { reader: &mut reader, heard: &mut self.heard }.line().await
    }
}

/// The receiving end of a connection.
struct Ears<'a> {
    reader: &'a mut (dyn tokio::io::AsyncRead + Send + Unpin),
    heard: &'a mut Vec<u8>,
}

impl Ears<'_> {
    /// One line without its end.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.heard.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").ok_or("a line ends without CR")?;
                return String::from_utf8(line.to_vec()).map_err(|_| "a line is not UTF-8".to_owned());
            }
            self.hear().await?;
        }
    }

    async fn octets(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.heard.len() < count {
            self.hear().await?;
        }
        Ok(self.heard.drain(..count).collect())
    }

    async fn hear(&mut self) -> Result<(), String> {
        let mut piece = [0; 16_384];
        let read = tokio::time::timeout(PATIENCE, self.reader.read(&mut piece)).await;
        match read.map_err(|_| "nothing comes")? {
            Ok(0) => Err("the connection ends".to_owned()),
            Ok(octets) => {
                self.heard.extend_from_slice(&piece[..octets]);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `octets` in pieces of lengths that `cuts` decides, one of them all at once.
fn pieces(octets: &[u8], cuts: u64) -> Vec<&[u8]> {
    let mut dice = super::action::Dice(cuts);
    let longest = [1, 5, 40, usize::MAX][dice.below(4)];
    let (mut rest, mut pieces) = (octets, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + dice.below(longest)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Longer than the store wants it (docs/on-disk.md).
const SETTLED: Duration = Duration::from_millis(120);

/// So long nobody waits for an answer: time goes on only when everybody waits.
const PATIENCE: Duration = Duration::from_secs(80_000);
