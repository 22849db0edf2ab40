//! A real ACME server: Let's Encrypt's Pebble, with a name server that gives one address for every name.

use std::ffi::OsStr;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::{program, site};
use crate::{certificate, wait};

/// Where it looks for answers to challenges, and for how long its certificates hold.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The port for `http-01`.
    pub http_port: u16,
    /// The port for `tls-alpn-01`.
    pub tls_port: u16,
    /// Seconds for which a certificate holds.
    pub validity_s: u64,
}

/// A running Pebble; every name is at the site's address for it.
pub struct Pebble {
    server: Process,
    _names: Process,
    _folder: TempDir,
}

impl Pebble {
    /// The port of a site where its directory is.
    pub const PORT: u16 = site::SMTP;

    /// Makes the certificate that a Pebble at this site will show, and tells where its authority lies. It need not run for that.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    pub fn folder(site: &site::Site) -> TempDir {
        let folder = TempDir::with_prefix("pebble-").expect("a temporary folder");
        certificate::write(folder.path(), site.ip());
        folder
    }

    /// The authority of its own certificate.
    #[must_use]
    pub fn authority(folder: &Path) -> PathBuf {
        folder.join("authority.pem")
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it is not installed or does not come up; with its log.
    #[must_use]
    pub fn start(folder: TempDir, site: &site::Site, plan: Plan) -> Self {
        let address = |service| site.address(service).to_string();
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": address(Self::PORT),
            "managementListenAddress": address(site::SMTPS),
            "certificate": folder.path().join("cert.pem"),
            "privateKey": folder.path().join("key.pem"),
            "httpPort": plan.http_port,
            "tlsPort": plan.tls_port,
            "certificateValidityPeriod": plan.validity_s,
        }});
        let path = folder.path().join("pebble.json");
        std::fs::write(&path, configuration.to_string()).expect("our own folder");
        let ip = site.ip().to_string();
        let dns = address(site::LDAP);
        // A port of the site that nobody else has.
        let management = SocketAddr::new(site.ip(), site.address(site::POP3).port() + 4).to_string();
        let challtestsrv = program("pebble-challtestsrv", "pebble");
        let names: [&OsStr; 15] = [
            challtestsrv.as_os_str(),
            "-defaultIPv4".as_ref(),
            ip.as_ref(),
            "-defaultIPv6".as_ref(),
            "".as_ref(),
            "-dns01".as_ref(),
            dns.as_ref(),
            "-http01".as_ref(),
            "".as_ref(),
            "-https01".as_ref(),
            "".as_ref(),
            "-tlsalpn01".as_ref(),
            "".as_ref(),
            "-management".as_ref(),
            management.as_ref(),
        ];
        let log = folder.path().join("names.log");
        let mut names = Process::start(&names, folder.path(), &log);
        let (env, pebble) = (program("env", "coreutils"), program("pebble", "pebble"));
        // It waits some seconds before it validates unless told otherwise. That it refuses some nonces on purpose is welcome.
        let command: [&OsStr; 7] = [
            env.as_os_str(),
            "PEBBLE_VA_NOSLEEP=1".as_ref(),
            pebble.as_os_str(),
            "-config".as_ref(),
            path.as_os_str(),
            "-dnsserver".as_ref(),
            dns.as_ref(),
        ];
        let mut server = Process::start(&command, folder.path(), &folder.path().join("log"));
        let directory: SocketAddr = site.address(Self::PORT);
        wait::until("Pebble to listen", || {
            assert!(server.is_running(), "Pebble has ended:\n{}", server.log());
            std::net::TcpStream::connect(directory).is_ok()
        });
        // A challenge whose name cannot be looked up has failed for good.
        wait::until("its name server to answer", || {
            assert!(names.is_running(), "the name server has ended:\n{}", names.log());
            answers(site.address(site::LDAP))
        });
        Self { server, _names: names, _folder: folder }
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// Whether a name server at this address answers a question within a moment.
fn answers(address: SocketAddr) -> bool {
    // One question (RFC 1035 section 4.1): the address of `x`.
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x00\x00\x01\x00\x01";
    let Ok(socket) = UdpSocket::bind((address.ip(), 0)) else { return false };
    let _ = socket.set_read_timeout(Some(Duration::from_millis(500)));
    // Where nobody listens yet the kernel says so.
    let asked = socket.connect(address).and_then(|()| socket.send(QUESTION));
    asked.is_ok() && socket.recv(&mut [0; 512]).is_ok()
}
