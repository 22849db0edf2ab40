//! One mail address as all that is known of a maildrop: find its server, log in, remember what worked (RFC 6186
//! section 4).
//!
//! Nothing here sleeps or tries the same twice. When to try again, and with which password, the caller decides.

use restante_proto::client::cause::LoginCause;
use restante_proto::url::{Auth, HostName};
use rustls::RootCertStore;

use crate::discover::Candidate;
use crate::error::Error;
use crate::login::{Means, Plaintext, Wish};
use crate::pop3::{Client, Settings};

/// The maildrop of a mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    address: String,
    domain: HostName,
    known: Option<Known>,
}

/// What worked last: for the caller to keep, so that the next run asks nobody (R6186-4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The server.
    pub candidate: Candidate,
    /// The user name: the whole address, or its local part.
    pub user: String,
}

impl Account {
    /// The maildrop of `address`, and what worked last time. `None` when it is no mail address with a domain name.
    #[must_use]
    pub fn new(address: &str, known: Option<Known>) -> Option<Self> {
        let (local, domain) = address.rsplit_once('@')?;
        let domain = HostName::parse(domain).ok().filter(|_| !local.is_empty())?;
        Some(Self { address: address.to_owned(), domain, known })
    }

    /// What worked last.
    #[must_use]
    pub const fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// The domain whose servers are looked for.
    #[must_use]
    pub const fn domain(&self) -> &HostName {
        &self.domain
    }

    /// Connects and logs in.
    ///
    /// First where it worked last time. When nobody is there, or it is not the right server any more, `find` is asked for
    /// servers, which are tried in their order; a refused login ends the search, since the next server of the same domain
    /// has the same accounts. The user name is the whole address and then, only if the credentials are refused, the local part
    /// (R6186-4.3). `auth` says which ways to log in are allowed, `means` what there is to show, once for each try.
    ///
    /// ```no_run
    /// # #[cfg(feature = "srv")]
    /// # async fn example() -> Result<(), restante_client::error::Error> {
    /// use std::time::Duration;
    ///
    /// use restante_client::account::Account;
    /// use restante_client::connect::platform_roots;
    /// use restante_client::discover::dns::Resolver;
    /// use restante_client::login::Means;
    /// use restante_client::pop3::Settings;
    /// use restante_proto::secret::Secret;
    /// use restante_proto::url::Auth;
    ///
    /// let resolver = Resolver::of_system()?;
    /// let mut account = Account::new("alice@example.org", None).expect("a mail address");
    /// let client = account
    ///     .connect(
    ///         async |domain| resolver.discover(domain, Duration::from_secs(20)).await,
    ///         &platform_roots()?,
    ///         Settings::default,
    ///         &Auth::Any,
    ///         || Means::Password(Secret::new(b"secret".to_vec())),
    ///     )
    ///     .await?;
    /// assert!(client.is_confidential());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `find`; [`Error::Login`]; when no server could be reached, why not the first of them;
    /// [`Error::NotOffered`] when `find` found none.
    pub async fn connect(
        &mut self,
        find: impl AsyncFnOnce(&HostName) -> Result<Vec<Candidate>, Error>,
        roots: &RootCertStore,
        settings: impl Fn() -> Settings,
        auth: &Auth,
        mut means: impl FnMut() -> Means,
    ) -> Result<Client, Error> {
        if let Some(known) = self.known.take() {
            // What is known stays known as long as somebody answers there who is the right one.
            match open(&known.candidate, roots, settings()).await {
                Ok(mut client) => {
                    let known = self.known.insert(known);
                    let wish = wish(&known.user, auth, means());
                    return client.log_in(wish).await.map(|()| client);
                }
                Err(error) if is_about_the_server(&error) => {}
                Err(error) => {
                    self.known = Some(known);
                    return Err(error);
                }
            }
        }
        let mut first = None;
        for candidate in find(&self.domain).await? {
            match open(&candidate, roots, settings()).await {
                Ok(client) => return self.log_in(client, candidate, auth, means).await,
                Err(error) if is_about_the_server(&error) => _ = first.get_or_insert(error),
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or_else(|| Error::NotOffered(self.domain.clone())))
    }

    async fn log_in(
        &mut self,
        mut client: Client,
        candidate: Candidate,
        auth: &Auth,
        mut means: impl FnMut() -> Means,
    ) -> Result<Client, Error> {
        let local = self.address.rsplit_once('@').map(|(local, _)| local);
        let mut refused = None;
        for user in [Some(self.address.as_str()), local].into_iter().flatten() {
            match client.log_in(wish(user, auth, means())).await {
                Ok(()) => {
                    self.known = Some(Known { candidate, user: user.to_owned() });
                    return Ok(client);
                }
                // R6186-4.3. Any other cause has nothing to do with the name.
                Err(error) if is_about_the_name(&error) => _ = refused.get_or_insert(error),
                Err(error) => return Err(refused.unwrap_or(error)),
            }
        }
        Err(refused.unwrap_or(Error::OutOfStep))
    }
}

/// Candidates are reached over TLS, so that nothing is to be said about passwords in clear.
const fn wish<'a>(user: &'a str, auth: &'a Auth, means: Means) -> Wish<'a> {
    Wish { user: Some(user), auth, means, plaintext: Plaintext::WithTls }
}

async fn open(candidate: &Candidate, roots: &RootCertStore, settings: Settings) -> Result<Client, Error> {
    Client::connect(&candidate.address(), candidate.security(roots.clone())?, settings).await
}

/// Whether another server, or a new look at the records, may help.
fn is_about_the_server(error: &Error) -> bool {
    use Error::{Certificate, Closed, Connect, Network, NoStls, Protocol, Rejected, Resolve, Timeout, Tls};
    matches!(
        error,
        Certificate { .. }
            | Closed
            | Connect(_)
            | Network(_)
            | NoStls
            | Protocol(_)
            | Rejected(_)
            | Resolve { .. }
            | Timeout(_)
            | Tls(_)
    )
}

fn is_about_the_name(error: &Error) -> bool {
    matches!(error, Error::Login { cause: LoginCause::Credentials | LoginCause::Unknown, .. })
}
