//! Asking the DNS for the SRV records of a domain.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use restante_proto::url::HostName;
use tokio::time::timeout;

use super::{Candidate, Record, candidates};
use crate::error::{Error, Waiting};
use crate::identity::Service;

/// Finds the POP3 servers of mail domains. It caches what it has learned as long as the DNS allows.
#[derive(Clone, Debug)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// Asks the name servers of this machine. Reads their addresses from the system's file, once.
    ///
    /// # Errors
    /// [`Error::Lookup`] when that cannot be read.
    pub fn of_system() -> Result<Self, Error> {
        let builder = TokioResolver::builder_tokio().map_err(lookup)?;
        builder.build().map(Self).map_err(lookup)
    }

    /// Asks these name servers.
    ///
    /// # Errors
    /// [`Error::Lookup`] when there is none.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<Self, Error> {
        let configure = |server: &SocketAddr| {
            let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, connections.into())
        };
        let servers = servers.iter().map(configure).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().map(Self).map_err(lookup)
    }

    /// The servers of `domain` in the order to try them, within `deadline`. See [`super`] for the rules. Names are taken as they
    /// are: the machine's own domain is never put behind them.
    ///
    /// # Errors
    /// [`Error::NotOffered`] when the domain says that it has no POP3; [`Error::Lookup`] when the DNS does not answer, which
    /// is no reason to guess; [`Error::Timeout`] at the deadline.
    pub async fn discover(&self, domain: &HostName, deadline: Duration) -> Result<Vec<Candidate>, Error> {
        let both = async { tokio::join!(self.ask(Service::Pop3s, domain), self.ask(Service::Pop3, domain)) };
        let (pop3s, pop3) = timeout(deadline, both).await.map_err(|_| Error::Timeout(Waiting::Lookup))?;
        // Should the system have no chance to give, the servers with the least weight come first: the load is not spread,
        // and that is all.
        let mut dice = |most: u32| {
            let lot = getrandom::u64().unwrap_or(0) % (u64::from(most) + 1);
            u32::try_from(lot).unwrap_or(most)
        };
        let found = candidates(domain, &pop3s?, &pop3?, &mut dice);
        if found.is_empty() { Err(Error::NotOffered(domain.clone())) } else { Ok(found) }
    }

    /// The records of one service; none when there are none.
    async fn ask(&self, service: Service, domain: &HostName) -> Result<Vec<Record>, Error> {
        let domain = domain.as_str().trim_end_matches('.');
        let mut name = format!("{}._tcp.{domain}.", service.label());
        for _ in 0..ALIASES_MAX {
            match self.0.srv_lookup(name.as_str()).await {
                Ok(answer) => return Ok(answer.answers().iter().filter_map(record).collect()),
                Err(error) if error.is_no_records_found() => {}
                Err(error) => return Err(lookup(error)),
            }
            // The resolver finds no records in an answer that begins with an alias, so the alias is followed by hand.
            let aliases = match self.0.lookup(name.as_str(), RecordType::CNAME).await {
                Ok(answer) => answer,
                Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
                Err(error) => return Err(lookup(error)),
            };
            let alias = aliases.answers().iter().find_map(|record| match &record.data {
                RData::CNAME(alias) => Some(alias.0.to_ascii()),
                _ => None,
            });
            let Some(alias) = alias else { return Ok(Vec::new()) };
            name = alias;
        }
        Ok(Vec::new())
    }
}

/// What a record says; one whose target can be no host's name is none.
fn record(record: &hickory_resolver::proto::rr::Record) -> Option<Record> {
    let RData::SRV(srv) = &record.data else { return None };
    let target = (!srv.target.is_root()).then(|| HostName::parse(&srv.target.to_ascii()));
    let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
    Some(Record { priority, weight, port, target: target.transpose().ok()? })
}

fn lookup(error: NetError) -> Error {
    Error::Lookup(Box::new(error))
}

/// The most aliases of one name that are followed: more is a mistake or a trap.
const ALIASES_MAX: usize = 4;
