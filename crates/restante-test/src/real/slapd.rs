//! Debian's slapd (OpenLDAP), with a configuration and a database of its own, in the folder of a site.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use super::process::Process;
use super::program;
use super::site::{LDAP, LDAPS, Site};
use crate::wait;

const PACKAGES: &str = "slapd";

/// The entry that may search, and its password.
pub const SEARCHER: (&str, &str) = ("cn=searcher,dc=example,dc=org", "looking");

/// A running slapd.
pub struct Slapd {
    process: Option<Process>,
    folder: PathBuf,
    urls: String,
    ldap: std::net::SocketAddr,
    ldaps: std::net::SocketAddr,
}

impl Slapd {
    /// Starts one for `dc=example,dc=org` with these entries below it (LDIF). Nobody in particular may read below `ou=open`, the
    /// searcher and each entry itself everywhere. A bind with a name and no password succeeds as nobody, as it does with many servers.
    /// Its certificate is that of the site, if there is one.
    ///
    /// # Panics
    /// When it is not installed or does not come up; with its log.
    #[must_use]
    pub fn start(site: &Site, entries: &str) -> Self {
        let folder = site.path().join("slapd");
        fs::create_dir_all(folder.join("db")).expect("the test's folder is writable");
        let root = site.path().display();
        let tls = if site.path().join("key.pem").exists() {
            format!("TLSCertificateFile {root}/cert.pem\nTLSCertificateKeyFile {root}/key.pem\n")
        } else {
            String::new()
        };
        let configuration = format!(
            "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
allow bind_anon_dn
{tls}database mdb
suffix \"dc=example,dc=org\"
rootdn \"cn=root,dc=example,dc=org\"
directory {folder}/db
maxsize 10485760
access to attrs=userPassword by dn.exact=\"{searcher}\" read by anonymous auth by self read
access to dn.subtree=\"ou=open,dc=example,dc=org\" by * read
access to * by dn.exact=\"{searcher}\" read by self read by anonymous auth
",
            folder = folder.display(),
            searcher = SEARCHER.0,
        );
        fs::write(folder.join("slapd.conf"), configuration).expect("the test's folder is writable");
        let (searcher, password) = SEARCHER;
        let ldif = format!(
            "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n\
             dn: {searcher}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: searcher\nuserPassword: {password}\n\n{entries}"
        );
        fs::write(folder.join("entries.ldif"), ldif).expect("the test's folder is writable");
        let added = Command::new(program("slapadd", PACKAGES))
            .arg("-f")
            .arg(folder.join("slapd.conf"))
            .arg("-l")
            .arg(folder.join("entries.ldif"))
            .output()
            .expect("slapadd starts");
        assert!(added.status.success(), "slapadd: {}", String::from_utf8_lossy(&added.stderr));
        let (ldap, ldaps) = (site.address(LDAP), site.address(LDAPS));
        let socket = folder.join("socket").display().to_string().replace('/', "%2F");
        let urls = format!("ldap://{ldap}/ ldaps://{ldaps}/ ldapi://{socket}/");
        let mut slapd = Self { process: None, folder, urls, ldap, ldaps };
        slapd.start_again();
        slapd
    }

    /// Starts it after [`Self::stop`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_again(&mut self) {
        let configuration = self.folder.join("slapd.conf");
        let slapd = program("slapd", PACKAGES);
        let words = [OsStr::new("-f"), configuration.as_os_str(), OsStr::new("-h"), OsStr::new(&self.urls)];
        let command: Vec<&OsStr> = [slapd.as_os_str()]
            .into_iter()
            .chain(words)
            .chain([OsStr::new("-d"), OsStr::new("256")])
            .collect();
        let mut process = Process::start(&command, &self.folder, &self.folder.join("log"));
        // It begins to listen in the order of its urls, and this one is the last.
        let listens = wait::try_some(wait::DEADLINE, || {
            assert!(process.is_running(), "slapd ended at its start:\n{}", process.log());
            UnixStream::connect(self.socket()).is_ok().then_some(())
        });
        assert!(listens.is_some(), "slapd does not listen:\n{}", process.log());
        self.process = Some(process);
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }

    /// `ldap://` with its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}", self.ldap)
    }

    /// `ldaps://` with its address.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://{}", self.ldaps)
    }

    /// Its unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// What it has logged: one line for each connection, bind and search.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::log)
    }
}

/// A person below `ou=UNIT,dc=example,dc=org` with these lines more (LDIF).
#[must_use]
pub fn person(unit: &str, name: &str, password: &str, more: &str) -> String {
    format!(
        "dn: uid={name},ou={unit},dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: {name}\ncn: {name}\nsn: {name}\n\
         uidNumber: 1000\ngidNumber: 1000\nhomeDirectory: /home/{name}\nuserPassword: {password}\n{more}\n"
    )
}

/// `ou=UNIT,dc=example,dc=org` (LDIF).
#[must_use]
pub fn unit(unit: &str) -> String {
    format!("dn: ou={unit},dc=example,dc=org\nobjectClass: organizationalUnit\nou: {unit}\n\n")
}
