//! Where the POP3 servers of a mail domain are (RFC 6186): from SRV records to servers worth trying, in their order.
//!
//! Pure but for `dns`, which asks for the records and needs the feature `srv`. How such a server is recognized is
//! [`crate::identity`]'s; trying them is [`crate::account`]'s.
//!
//! The rules, where the RFCs leave a choice:
//! - every server with TLS from the first octet (`_pop3s`) comes before every server with STLS (`_pop3`), as RFC 8314
//!   wants it; within each, priorities and weights decide as in RFC 2782;
//! - a domain without any record is its own server: TLS on port 995, then STLS on port 110;
//! - a domain that says `.` for one service and nothing about the other offers neither;
//! - only POP3 is looked for, so that no record can make a client change to another protocol (R6186-4.5).

#[cfg(feature = "srv")]
pub mod dns;

use restante_proto::url::{Host, HostName};
use rustls::RootCertStore;

use crate::connect::{Address, Security, Tls};
use crate::error::Error;
use crate::identity::{Reference, Service};

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The lowest is tried first.
    pub priority: u16,
    /// How often, compared with others of its priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `None` is the root, which says that the service is not offered.
    pub target: Option<HostName>,
}

/// A server worth trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    service: Service,
    port: u16,
    reference: Reference,
}

impl Candidate {
    /// The server at `host` and `port`, which records of `service` in `domain` name or have named.
    #[must_use]
    pub fn new(service: Service, domain: HostName, host: Host, port: u16) -> Self {
        Self { service, port, reference: Reference::new(service, domain, host) }
    }

    /// Whether TLS comes first or STLS (R6186-3.3.1).
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it is recognized by.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The user says that mail of the domain is fetched from this host.
    #[must_use]
    pub fn confirmed(self) -> Self {
        Self { reference: self.reference.confirmed(), ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Address {
        let host = match self.reference.host() {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Address(address) => address.to_string(),
        };
        Address::Tcp { host, port: self.port }
    }

    /// How a connection to it is protected: always.
    ///
    /// # Errors
    /// As for [`Tls::discovered`].
    pub fn security(&self, roots: RootCertStore) -> Result<Security, Error> {
        let tls = Tls::discovered(roots, &self.reference)?;
        Ok(match self.service {
            Service::Pop3s => Security::Implicit(tls),
            Service::Pop3 => Security::Stls(tls),
        })
    }
}

/// The servers of `domain` in the order to try them, at most [`CANDIDATES_MAX`]; empty when the domain says that it offers no
/// POP3. `pop3s` and `pop3` are the records of the two services. `dice` gives a number from 0 to its argument, each as
/// likely as the others.
///
/// ```
/// use restante_client::discover::{Record, candidates};
/// use restante_client::identity::Service;
/// use restante_proto::url::HostName;
///
/// let domain = HostName::parse("example.org").unwrap();
/// let target = HostName::parse("mail.example.org").ok();
/// let records = [Record { priority: 0, weight: 0, port: 995, target }];
/// let found = candidates(&domain, &records, &[], &mut |_| 0);
/// assert_eq!(found[0].service(), Service::Pop3s);
/// assert_eq!(found[0].reference().host().to_string(), "mail.example.org");
/// ```
pub fn candidates(
    domain: &HostName,
    pop3s: &[Record],
    pop3: &[Record],
    dice: &mut impl FnMut(u32) -> u32,
) -> Vec<Candidate> {
    let host = || Host::Name(domain.clone());
    if pop3s.is_empty() && pop3.is_empty() {
        return vec![
            Candidate::new(Service::Pop3s, domain.clone(), host(), 995),
            Candidate::new(Service::Pop3, domain.clone(), host(), 110),
        ];
    }
    let mut found = Vec::new();
    for (service, records) in [(Service::Pop3s, pop3s), (Service::Pop3, pop3)] {
        for record in in_order(records, dice) {
            // R6186-3.4.1
            if let Some(target) = record.target {
                found.push(Candidate::new(service, domain.clone(), Host::Name(target), record.port));
            }
        }
    }
    found.truncate(CANDIDATES_MAX);
    found
}

/// The order of RFC 2782: by priority, and by lot within each, where the weights are chances (R6186-4.1).
fn in_order(records: &[Record], dice: &mut impl FnMut(u32) -> u32) -> Vec<Record> {
    let mut rest = records.to_vec();
    // Those without weight come first, so that the lot 0 is theirs.
    rest.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(rest.len());
    while let Some(priority) = rest.first().map(|record| record.priority) {
        let equals = rest.iter().take_while(|record| record.priority == priority);
        let sum = equals.map(|record| u32::from(record.weight)).sum();
        let lot = dice(sum).min(sum);
        let mut running = 0;
        let drawn = rest.iter().position(|record| {
            running += u32::from(record.weight);
            running >= lot
        });
        ordered.push(rest.remove(drawn.unwrap_or(0)));
    }
    ordered
}

/// The most servers of a domain that are tried; nobody needs more, and a forged answer should not make a scanner of us.
pub const CANDIDATES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn record(priority: u16, weight: u16, target: &str) -> Record {
        Record { priority, weight, port: 4711, target: HostName::parse(target).ok() }
    }

    /// `service host port` of each candidate.
    fn found(pop3s: &[Record], pop3: &[Record]) -> Vec<String> {
        let found = candidates(&name("example.org"), pop3s, pop3, &mut |_| 0);
        let show = |candidate: &Candidate| {
            let host = candidate.reference().host();
            format!("{} {host} {}", candidate.service().label(), candidate.port())
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn r6186_3_3_1_the_label_tells_how_tls_begins() {
        let records = ([record(0, 0, "s.example.org")], [record(0, 0, "p.example.org")]);
        assert_eq!(found(&records.0, &records.1), ["_pop3s s.example.org 4711", "_pop3 p.example.org 4711"]);
        let all = candidates(&name("example.org"), &records.0, &records.1, &mut |_| 0);
        let security = |at: usize| all[at].security(RootCertStore::empty()).unwrap();
        assert!(matches!(security(0), Security::Implicit(_)));
        assert!(matches!(security(1), Security::Stls(_)));
    }

    #[test]
    fn r6186_3_4_1_a_root_as_target_means_not_offered() {
        assert_eq!(found(&[], &[record(0, 0, ".")]), [""; 0]);
        assert_eq!(found(&[record(0, 0, ".")], &[record(0, 0, ".")]), [""; 0]);
        assert_eq!(
            found(&[record(0, 0, "s.example.org")], &[record(0, 0, ".")]),
            ["_pop3s s.example.org 4711"]
        );
    }

    #[test]
    fn r6186_3_4_2_the_weights_of_one_service_are_nothing_to_the_other() {
        // One heavy record of _pop3 takes no share from those of _pop3s, whatever the lot.
        let (pop3s, pop3) = ([record(0, 1, "s.example.org")], [record(0, 65535, "p.example.org")]);
        let mut sums = Vec::new();
        let all = candidates(&name("example.org"), &pop3s, &pop3, &mut |sum| {
            sums.push(sum);
            sum
        });
        assert_eq!(all[0].service(), Service::Pop3s);
        assert_eq!(sums, [1, 65535]);
    }

    #[test]
    fn r6186_4_1_priorities_order_and_weights_are_chances() {
        let records = [
            record(20, 1000, "last.example.org"),
            record(10, 1, "seldom.example.org"),
            record(10, 3, "often.example.org"),
            record(10, 0, "never.example.org"),
        ];
        let (mut firsts, mut state) = (std::collections::BTreeMap::new(), 1_u64);
        for _ in 0..10_000 {
            let ordered = in_order(&records, &mut |sum| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u32::try_from((state >> 33) % (u64::from(sum) + 1)).unwrap()
            });
            assert_eq!(ordered.len(), 4);
            assert_eq!(ordered[3].priority, 20, "the lower priority only after the others have failed");
            *firsts.entry(ordered[0].target.clone().unwrap().as_str().to_owned()).or_insert(0) += 1;
        }
        // Lots are 0 to 4: one in five is the weightless one's, one in five seldom's, three in five often's.
        for (host, expected) in [("never", 2000_i32), ("seldom", 2000), ("often", 6000)] {
            let drawn: i32 = firsts[&format!("{host}.example.org")];
            assert!((drawn - expected).abs() < 300, "{host}: {drawn}");
        }
    }

    #[test]
    fn a_domain_without_records_is_its_own_server() {
        assert_eq!(found(&[], &[]), ["_pop3s example.org 995", "_pop3 example.org 110"]);
    }

    #[test]
    fn the_number_of_servers_is_bounded() {
        let many: Vec<Record> = (0..100).map(|at| record(at, 0, "a.example.org")).collect();
        assert_eq!(found(&many, &many).len(), CANDIDATES_MAX);
        // A die that is loaded beyond its faces is no panic.
        assert_eq!(in_order(&many, &mut |_| u32::MAX).len(), 100);
    }
}
