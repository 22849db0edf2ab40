//! Somebody far away: connections that come from an address of the test's choice.
//!
//! A relay listens on loopback and hands every connection on to a unix socket behind a PROXY header that names the address. So
//! attackers and owners of a test come from different places, and none of them from loopback, which is always spared.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

/// A relay; it runs until the test ends.
#[derive(Debug, Clone, Copy)]
pub struct Relay {
    address: SocketAddr,
}

impl Relay {
    /// Begins to relay to the socket `server`, as if everybody came from `client`.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(server: &Path, client: IpAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let server = server.to_owned();
        thread::spawn(move || {
            // A connection that fails is over; the peer sees its end.
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || serve(stream, &server, client));
            }
        });
        Self { address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(near: TcpStream, server: &PathBuf, client: IpAddr) -> io::Result<()> {
    let mut far = UnixStream::connect(server)?;
    let port = near.peer_addr()?.port();
    write!(far, "PROXY TCP4 {client} 192.0.2.1 {port} 110\r\n")?;
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_near, &mut to_far);
        // The other way may go on.
        let _ = to_far.shutdown(Shutdown::Write);
    });
    let mut to_near = near;
    let _ = io::copy(&mut far, &mut to_near);
    to_near.shutdown(Shutdown::Both)
}
