//! `Link`: one kept connection to a socket of Dovecot, and the questions under way through it.
//!
//! A task owns the connection. It connects when there is something to ask, and lets go when Dovecot ends it; a question that was under way
//! then is asked once more on a new connection, since a Dovecot that was restarted looks like that. Nothing here waits without a
//! bound: each question has a deadline, and a connection on which nothing has come for that long while somebody waits is given up.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use restante_proto::dovecot::client::{Answer, Client, Event, Subject, Violation};
use restante_proto::dovecot::request::Request;
use restante_proto::line::Input;
use restante_proto::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// A connection that is kept.
pub(super) struct Link {
    subject: Subject,
    path: PathBuf,
    timeout: Duration,
    pending_max: usize,
    /// The way to the task; none before the first question, and a closed one after the runtime has gone.
    task: Mutex<Option<mpsc::Sender<Job>>>,
}

/// What is asked.
pub(super) enum Ask {
    /// Whether there is a Dovecot that answers.
    Nothing,
    /// Whether a password is right.
    Password { user: String, password: Secret, request: Request },
    /// What is known of a user.
    User { user: String, request: Request },
}

/// Why there is no answer. All of it may pass.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// Nobody answers at the socket.
    Connect(Arc<io::Error>),
    /// The connection broke, twice.
    Lost,
    /// No answer in time.
    Silent,
    /// Too many questions are under way.
    Full,
    /// What is there is no Dovecot that can be asked.
    Violation(Violation),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("Dovecot cannot be reached"),
            Self::Lost => f.write_str("Dovecot has ended the connection"),
            Self::Silent => f.write_str("Dovecot does not answer in time"),
            Self::Full => f.write_str("too many questions wait for Dovecot"),
            Self::Violation(violation) => write!(f, "Dovecot sent {violation}"),
        }
    }
}

impl Error for Failure {}

impl Failure {
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::Connect(_) => "start Dovecot, or let its socket be opened by the user of this server",
            Self::Lost => "see the log of Dovecot",
            Self::Silent => "see what Dovecot waits for, or raise timeout_s",
            Self::Full => "see why Dovecot is slow, or raise pending",
            Self::Violation(_) => "name the right socket: socket is for passwords, userdb_socket for names",
        }
    }
}

struct Job {
    ask: Arc<Ask>,
    reply: oneshot::Sender<Result<Answer, Failure>>,
}

impl Link {
    pub(super) const fn new(subject: Subject, path: PathBuf, timeout: Duration, pending_max: usize) -> Self {
        Self { subject, path, timeout, pending_max, task: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer at most as long as the timeout says.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let ask = Arc::new(ask);
        let asking = async {
            match self.try_ask(&ask).await {
                // Dovecot was restarted while the connection was idle, or just now.
                Err(Failure::Lost) => self.try_ask(&ask).await,
                outcome => outcome,
            }
        };
        timeout(self.timeout, asking).await.unwrap_or(Err(Failure::Silent))
    }

    async fn try_ask(&self, ask: &Arc<Ask>) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let job = Job { ask: Arc::clone(ask), reply };
        self.task().try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Full,
            mpsc::error::TrySendError::Closed(_) => Failure::Lost,
        })?;
        answer.await.unwrap_or(Err(Failure::Lost))
    }

    fn task(&self) -> mpsc::Sender<Job> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = task.as_ref().filter(|sender| !sender.is_closed()) {
            return sender.clone();
        }
        let (sender, jobs) = mpsc::channel(self.pending_max);
        let keeper = Keeper {
            subject: self.subject,
            path: self.path.clone(),
            timeout: self.timeout,
            pending_max: self.pending_max,
            jobs,
        };
        tokio::spawn(keeper.run());
        *task = Some(sender.clone());
        sender
    }
}

/// What the task owns.
struct Keeper {
    subject: Subject,
    path: PathBuf,
    timeout: Duration,
    pending_max: usize,
    jobs: mpsc::Receiver<Job>,
}

/// An open connection after its handshake.
struct Connection {
    stream: UnixStream,
    client: Client,
    input: Input,
    waiting: HashMap<u32, oneshot::Sender<Result<Answer, Failure>>>,
}

impl Keeper {
    /// Until nobody holds the link any more.
    async fn run(mut self) {
        while let Some(job) = self.jobs.recv().await {
            // Whoever does not wait any more needs no connection.
            if job.reply.is_closed() {
                continue;
            }
            match timeout(self.timeout, self.connect()).await.unwrap_or(Err(Failure::Silent)) {
                Ok(connection) => self.serve(connection, job).await,
                Err(failure) => {
                    let _ = job.reply.send(Err(failure.clone()));
                    // They have waited for the same connection.
                    while let Ok(job) = self.jobs.try_recv() {
                        let _ = job.reply.send(Err(failure.clone()));
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream =
            UnixStream::connect(&self.path).await.map_err(|error| Failure::Connect(Arc::new(error)))?;
        let mut connection = Connection {
            stream,
            client: Client::new(self.subject),
            input: Input::new(),
            waiting: HashMap::new(),
        };
        let mut output = Vec::new();
        connection.client.handshake(process_number(), &mut output);
        connection.stream.write_all(&output).await.map_err(|_| Failure::Lost)?;
        loop {
            match connection.client.read(&mut connection.input).map_err(Failure::Violation)? {
                Some(Event::Ready) => return Ok(connection),
                Some(Event::Answer(..)) => {}
                None => connection.receive().await?,
            }
        }
    }

    /// Asks and passes answers on until the connection ends, or the link is dropped.
    async fn serve(&mut self, mut connection: Connection, first: Job) {
        // Rings when somebody has waited for so long and nothing at all has come meanwhile.
        let mut silence = pin!(sleep(self.timeout));
        let mut outcome = connection.put(first).await;
        while outcome.is_ok() {
            tokio::select! {
                job = self.jobs.recv() => match job {
                    None => return,
                    Some(job) => {
                        if connection.waiting.is_empty() {
                            silence.set(sleep(self.timeout));
                        }
                        outcome = self.admit(&mut connection, job).await;
                    }
                },
                heard = connection.receive() => {
                    silence.set(sleep(self.timeout));
                    outcome = heard.and_then(|()| connection.pass_on());
                }
                () = &mut silence, if !connection.waiting.is_empty() => outcome = Err(Failure::Silent),
            }
        }
        if let Err(failure) = outcome {
            for (_, reply) in connection.waiting.drain() {
                // Who does not wait any more misses nothing.
                let _ = reply.send(Err(failure.clone()));
            }
        }
    }

    /// Asks one question more, if there is room for it.
    async fn admit(&self, connection: &mut Connection, job: Job) -> Result<(), Failure> {
        if connection.waiting.len() >= self.pending_max {
            connection.waiting.retain(|_, reply| !reply.is_closed());
        }
        if connection.waiting.len() >= self.pending_max {
            // As above.
            let _ = job.reply.send(Err(Failure::Full));
            return Ok(());
        }
        timeout(self.timeout, connection.put(job)).await.unwrap_or(Err(Failure::Silent))
    }
}

impl Connection {
    /// Writes a question. One that cannot be asked is answered here.
    async fn put(&mut self, Job { ask, reply }: Job) -> Result<(), Failure> {
        // It may hold a password, also when nobody waits any more.
        let mut output = Zeroizing::new(Vec::new());
        let id = match &*ask {
            Ask::Nothing => {
                // That there is a connection is all that was asked.
                let _ = reply.send(Ok(Answer::NotFound));
                return Ok(());
            }
            Ask::Password { user, password, request } => {
                self.client.ask_password(user, password, request, &mut output)
            }
            Ask::User { user, request } => Some(self.client.ask_user(user, request, &mut output)),
        };
        let Some(id) = id else {
            let _ = reply.send(Ok(Answer::Wrong));
            return Ok(());
        };
        self.waiting.insert(id, reply);
        self.stream.write_all(&output).await.map_err(|_| Failure::Lost)
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        let mut octets = [0; 4096];
        match self.stream.read(&mut octets).await {
            Ok(0) | Err(_) => Err(Failure::Lost),
            Ok(count) => {
                self.input.fill(octets.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }

    /// Gives answers to who waits for them.
    fn pass_on(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.client.read(&mut self.input).map_err(Failure::Violation)? {
            if let Event::Answer(id, answer) = event
                && let Some(reply) = self.waiting.remove(&id)
            {
                // Who does not wait any more misses nothing.
                let _ = reply.send(Ok(answer));
            }
        }
        Ok(())
    }
}

/// A number that no other connection has: several of one process may be open to one Dovecot, which tells them apart by it.
fn process_number() -> u32 {
    let chance = RandomState::new().hash_one(std::process::id());
    u32::try_from(chance & 0x7FFF_FFFF).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests;
