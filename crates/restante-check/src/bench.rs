//! The bench on which a server is judged: opens its connections within the budget, logs in, and keeps what several judges look
//! at, so that a server is not asked the same thing for each of them.
//!
//! There is never more than one session with a maildrop open, but for the judge of the lock. A session is ended by closing the
//! connection, not by QUIT: a server may remove what was retrieved at a QUIT, and nothing may be removed by a look.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restante_client::connect::Tls;

use crate::dialogue::{Dialogue, Form, Reply};
use crate::facts::{Entrance, Maildrop, Refusals, Sample};
use crate::target::{Credentials, Settings};
use crate::tls;
use crate::transcript::Transcript;
use crate::verdict::{Step, Stop};
use crate::wire::{self, Shared, Wire};

pub(crate) struct Bench<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) form: Form,
    shared: Shared,
    connections: u32,
    began: Instant,
    /// Its count is one more than the sessions that hold a maildrop.
    logins: Rc<()>,
    has_logged_in: bool,
    pub(crate) entrance: Option<Rc<Entrance>>,
    pub(crate) maildrop: Option<Rc<Maildrop>>,
    pub(crate) samples: Option<Rc<Vec<Sample>>>,
    pub(crate) refusals: Option<Rc<Refusals>>,
    /// The messages that this run wanted to deliver, by name: taken, or why not. Those that were removed again are not among them.
    pub(crate) deliveries: BTreeMap<&'static str, Result<(), String>>,
    /// Earlier transcripts that the judge at work has looked at.
    cited: Vec<String>,
}

impl<'a> Bench<'a> {
    /// # Errors
    /// When the system gives us no runtime.
    pub(crate) fn new(settings: &'a Settings) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Shared {
            runtime: Rc::new(runtime),
            transcript: Transcript::default(),
            deadlines: settings.budget.deadlines,
        };
        Ok(Self {
            settings,
            form: Form::default(),
            shared,
            connections: 0,
            began: (settings.now)(),
            logins: Rc::new(()),
            has_logged_in: false,
            entrance: None,
            maildrop: None,
            samples: None,
            refusals: None,
            deliveries: BTreeMap::new(),
            cited: Vec::new(),
        })
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.shared.transcript
    }

    /// Adds an earlier transcript to the evidence.
    pub(crate) fn cite(&mut self, transcript: &[String]) {
        self.cited.extend_from_slice(transcript);
    }

    /// Everything that was said, or cited, since the last time.
    pub(crate) fn evidence(&mut self) -> Vec<String> {
        let mut evidence = std::mem::take(&mut self.cited);
        evidence.extend(self.shared.transcript.take());
        evidence
    }

    /// How the server presents itself, as evidence.
    pub(crate) fn see_entrance(&mut self) -> Step<Rc<Entrance>> {
        let entrance = self.entrance()?;
        self.cite(&entrance.transcript);
        Ok(entrance)
    }

    /// What the maildrop shows, as evidence.
    pub(crate) fn see_maildrop(&mut self) -> Step<Rc<Maildrop>> {
        let maildrop = self.maildrop()?;
        self.cite(&maildrop.transcript);
        Ok(maildrop)
    }

    /// How logins are refused, as evidence.
    pub(crate) fn see_refusals(&mut self) -> Step<Rc<Refusals>> {
        let refusals = self.refusals()?;
        self.cite(&refusals.transcript);
        Ok(refusals)
    }

    /// Whether the time for the whole run is over.
    pub(crate) fn is_out_of_time(&self) -> bool {
        (self.settings.now)().saturating_duration_since(self.began) > self.settings.budget.total
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> u32 {
        self.connections
    }

    pub(crate) fn pause(&self) {
        wire::pause(&self.shared, self.settings.budget.pause);
    }

    /// A connection to anywhere; nothing is said or read.
    pub(crate) fn connect_to(&mut self, address: &restante_client::connect::Address) -> Step<Wire> {
        if self.connections >= self.settings.budget.connections {
            return Err(Stop::Undecided(format!("the budget of {} connections is spent", self.connections)));
        }
        self.connections += 1;
        Wire::open(&self.shared, address, self.connections)
    }

    /// A connection to the server without TLS; nothing is said or read.
    pub(crate) fn connect(&mut self) -> Step<Dialogue> {
        let settings = self.settings;
        let wire = self.connect_to(&settings.target.address)?;
        Ok(Dialogue::new(wire, self.form.clone()))
    }

    /// A connection with what it begins with, TLS or not, up to the greeting.
    pub(crate) fn greeted(&mut self) -> Step<(Dialogue, Reply)> {
        let mut dialogue = self.connect()?;
        if self.settings.target.is_implicit_tls {
            dialogue.start_tls(&self.tls()?).map_err(Stop::Undecided)?;
        }
        let greeting = dialogue.reply()?;
        match greeting.is_ok() {
            true => Ok((dialogue, greeting)),
            false => Err(Stop::Undecided(format!("the server refused the connection: {greeting}"))),
        }
    }

    /// A connection in AUTHORIZATION state, encrypted when the server can.
    pub(crate) fn open(&mut self) -> Step<Dialogue> {
        let (mut dialogue, _) = self.greeted()?;
        if self.offers_stls()? {
            self.start_stls(&mut dialogue)?;
        }
        Ok(dialogue)
    }

    /// STLS and the handshake, in whose place nothing else is to be judged.
    pub(crate) fn start_stls(&self, dialogue: &mut Dialogue) -> Step {
        let reply = dialogue.ask("STLS")?;
        if !reply.is_ok() {
            return Err(Stop::Undecided(format!("STLS is offered and was refused: {reply}")));
        }
        dialogue.start_tls(&self.tls()?).map_err(Stop::Undecided)
    }

    /// TLS 1.2 or 1.3, ALPN `pop3`, any certificate.
    pub(crate) fn tls(&self) -> Step<Tls> {
        tls::handshake(&self.settings.target.host, rustls::ALL_VERSIONS, &["pop3"]).map_err(Stop::Undecided)
    }

    /// Whether the server offers STLS on this port.
    pub(crate) fn offers_stls(&mut self) -> Step<bool> {
        if self.settings.target.is_implicit_tls {
            return Ok(false);
        }
        Ok(self.entrance()?.clear.as_ref().is_some_and(|capabilities| capabilities.has("STLS")))
    }

    /// Whether there is TLS to be had here at all.
    pub(crate) fn has_tls(&mut self) -> Step<bool> {
        Ok(self.settings.target.is_implicit_tls || self.offers_stls()?)
    }

    /// The account, if its password may be sent over this connection.
    pub(crate) fn credentials(&self, dialogue: &Dialogue) -> Step<&'a Credentials> {
        let settings = self.settings;
        let credentials = settings.credentials.as_ref();
        let credentials = credentials.ok_or_else(|| Stop::not_applicable("needs an account"))?;
        let connection = dialogue.peer().connection();
        let is_loopback =
            connection.peer_address().is_some_and(|address| address.ip().to_canonical().is_loopback());
        if settings.allow_plaintext || is_loopback {
            return Ok(credentials);
        }
        let Some(session) = connection.tls() else {
            return Err(Stop::not_applicable("there is no TLS, and the password is not sent in the clear"));
        };
        let Some(roots) = &settings.roots else {
            return Err(Stop::not_applicable(
                "no authorities to verify the certificate by; the password is not sent",
            ));
        };
        let chain = session.peer_certificates().unwrap_or_default();
        match tls::verify(chain, &settings.target.host, roots, settings.wall) {
            Ok(()) => Ok(credentials),
            Err(_) => {
                Err(Stop::not_applicable("the certificate cannot be verified; the password is not sent"))
            }
        }
    }

    /// The one session with the maildrop open.
    pub(crate) fn login(&mut self) -> Step<Dialogue> {
        if Rc::strong_count(&self.logins) > 1 {
            return Err(Stop::Undecided("another session of this run is still open".into()));
        }
        let attempts = if self.has_logged_in { LOGIN_ATTEMPTS } else { 3 };
        for attempt in 1.. {
            let mut dialogue = self.open()?;
            let reply = self.try_login(&mut dialogue)?;
            if reply.is_ok() {
                self.has_logged_in = true;
                return Ok(dialogue);
            }
            if reply.code().is_some_and(|code| code == "LOGIN-DELAY") {
                return Err(Stop::Undecided(format!("the server wants us to wait between logins: {reply}")));
            }
            // The session before may not have let go of the maildrop yet, whatever words the server has for that. A wrong
            // password, however, is not said over and over.
            let is_busy = reply.code().is_some_and(|code| code == "IN-USE" || code.starts_with("SYS/TEMP"));
            if attempt >= attempts || !(is_busy || self.has_logged_in) {
                return Err(Stop::Undecided(format!("the login was refused: {reply}")));
            }
            dialogue.drop_connection();
            self.pause();
        }
        Err(Stop::Undecided("no login".into()))
    }

    /// Logs in by the best way that the server has; the answer to the last command.
    pub(crate) fn try_login(&mut self, dialogue: &mut Dialogue) -> Step<Reply> {
        let credentials = self.credentials(dialogue)?;
        let capabilities = self.entrance()?.capabilities().cloned();
        let has_plain = capabilities
            .as_ref()
            .and_then(|list| list.arguments("SASL"))
            .is_some_and(|names| names.iter().any(|name| name.eq_ignore_ascii_case("PLAIN")));
        let has_user = capabilities.is_none_or(|list| list.has("USER"));
        // USER and PASS, unless they are not there, whatever is announced.
        let user = if has_user || !has_plain {
            Some(dialogue.ask(format!("USER {}", credentials.user()))?)
        } else {
            None
        };
        let reply = match user {
            Some(reply) if reply.is_ok() => pass(dialogue, credentials)?,
            Some(reply) if !has_plain => reply,
            _ => plain(dialogue, credentials)?,
        };
        if reply.is_ok() {
            dialogue.login = Some(Rc::clone(&self.logins));
        }
        Ok(reply)
    }

    /// Says that a session of the run holds a maildrop, after a login by other means.
    pub(crate) fn holds(&self, dialogue: &mut Dialogue) {
        dialogue.login = Some(Rc::clone(&self.logins));
    }

    /// A connection in AUTHORIZATION state and the account, for judges that log in by their own words.
    pub(crate) fn open_for_login(&mut self) -> Step<(Dialogue, &'a Credentials)> {
        // The session before may not have let go of the maildrop yet; one login that works shows that it has.
        self.login()?.drop_connection();
        self.pause();
        let dialogue = self.open()?;
        let credentials = self.credentials(&dialogue)?;
        Ok((dialogue, credentials))
    }

    /// Ends with "not applicable" when a capability is not announced before login.
    pub(crate) fn announced(&mut self, tag: &str) -> Step<Vec<String>> {
        let entrance = self.entrance()?;
        let capabilities = entrance.capabilities();
        let arguments = capabilities.and_then(|capabilities| capabilities.arguments(tag));
        arguments.ok_or_else(|| Stop::not_applicable(format!("the server does not announce {tag}")))
    }

    /// Ends with "not applicable" when a SASL mechanism is not announced.
    pub(crate) fn mechanism(&mut self, name: &str) -> Step {
        let names = self.announced("SASL")?;
        match names.iter().any(|announced| announced.eq_ignore_ascii_case(name)) {
            true => Ok(()),
            false => Err(Stop::not_applicable(format!("the server does not announce SASL {name}"))),
        }
    }

    /// Forgets what was kept about the maildrop, because it has changed.
    pub(crate) fn maildrop_changed(&mut self) {
        self.maildrop = None;
        self.samples = None;
    }
}

/// PASS alone.
pub(crate) fn pass(dialogue: &mut Dialogue, credentials: &Credentials) -> Step<Reply> {
    let line = zeroize::Zeroizing::new([b"PASS ", credentials.password()].concat());
    dialogue.say_secret("PASS ****", &line)?;
    dialogue.reply()
}

/// AUTH PLAIN with an initial response.
pub(crate) fn plain(dialogue: &mut Dialogue, credentials: &Credentials) -> Step<Reply> {
    let response = plain_response("", credentials);
    let line = zeroize::Zeroizing::new(format!("AUTH PLAIN {}", *response));
    dialogue.say_secret("AUTH PLAIN ****", line.as_bytes())?;
    dialogue.reply()
}

/// The message of PLAIN, in base64.
pub(crate) fn plain_response(authorization: &str, credentials: &Credentials) -> zeroize::Zeroizing<String> {
    let parts = [authorization.as_bytes(), credentials.user().as_bytes(), credentials.password()];
    let message = zeroize::Zeroizing::new(parts.join(&0));
    zeroize::Zeroizing::new(STANDARD.encode(&*message))
}

/// Attempts to log in where the maildrop is still locked.
const LOGIN_ATTEMPTS: u32 = 40;
