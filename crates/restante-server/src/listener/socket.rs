//! Opening and accepting: TCP ports, unix sockets, sockets that were opened before we were started.

use crate::config::{Address, Listen};
use crate::event::Peer;
use crate::file;
use crate::listener::Raw;
use crate::walls::user::ServerUser;
use socket2::{Domain, Protocol, SockAddr, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener};

/// A socket that is bound and listened on, from before there is a runtime.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    Unix { listener: unix::net::UnixListener, file: SocketFile },
}

/// An open socket that accepts connections.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// Takes the name of a unix socket away when the socket is closed.
#[derive(Debug)]
pub(crate) struct SocketFile(Option<(PathBuf, file::Stamp)>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some((path, stamp)) = &self.0
            // Another server may have put its own socket there by now.
            && file::stamp(path).as_ref() == Some(stamp)
        {
            // If it cannot be removed, the next start takes it for the leftover that it is.
            let _ = file::remove_socket(path);
        }
    }
}

impl Bound {
    /// Opens what a `[[listen]]` says; needs no runtime. Connections wait from now on. The file of a unix socket is given to whom the
    /// listener names, else to `user`, else it stays ours.
    pub(super) fn open(
        listen: &Listen,
        inherited: &Inherited,
        user: Option<&ServerUser>,
    ) -> io::Result<Self> {
        match &listen.address {
            Address::Tcp(address) => bind_tcp(*address),
            Address::Unix(path) => {
                let owner = listen.owner.clone().or_else(|| user.map(|user| user.uid().to_string()));
                let group = listen.group.clone().or_else(|| user.map(|user| user.gid().to_string()));
                bind_unix(path, listen.mode.0, (owner.as_deref(), group.as_deref()))
            }
            Address::Inherited(name) => inherited.take(name),
        }
    }

    /// The socket within the present runtime.
    pub(super) fn serve(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener)?),
            Self::Unix { listener, file } => {
                Socket::Unix { listener: UnixListener::from_std(listener)?, _file: file }
            }
        })
    }
}

impl Socket {
    /// Opens what a `[[listen]]` says. Must be called within a runtime.
    pub(super) fn bind(listen: &Listen, inherited: &Inherited) -> io::Result<Self> {
        Bound::open(listen, inherited, None)?.serve()
    }

    /// Opens the control socket, for its owner alone. Must be called within a runtime.
    pub(crate) fn bind_control(path: &Path) -> io::Result<Self> {
        bind_unix(path, 0o600, (None, None))?.serve()
    }

    /// Where it listens; a configured port 0 has become a real one.
    pub(super) fn address(&self, configured: &Address) -> Address {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| configured.clone(), Address::Tcp),
            Self::Unix { .. } => configured.clone(),
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// As the system says; some are the peer's fault and not ours.
    pub(crate) async fn accept(&self) -> io::Result<(Raw, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole; waiting for more to send would only delay them.
                stream.set_nodelay(true)?;
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                Ok((Raw::Tcp(stream), Peer::Tcp(address)))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Raw::Unix(stream), Peer::Unix))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the last server that are still closing must not keep the next one from starting.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // [::] and 0.0.0.0 are listened on apart, whatever the system's habit is.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(Bound::Tcp(socket.into()))
}

fn bind_unix(path: &Path, mode: u32, (owner, group): (Option<&str>, Option<&str>)) -> io::Result<Bound> {
    if file::is_socket(path) {
        // A socket that nobody answers on was left behind; one that is answered on belongs to a running server.
        match unix::net::UnixStream::connect(path) {
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another server listens on this socket",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => file::remove_socket(path)?,
            Err(error) => return Err(error),
        }
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before `listen`, so nobody connects with permissions that were not meant.
    file::set_permissions(path, mode)?;
    file::give(path, owner, group)?;
    socket.listen(BACKLOG)?;
    let stamp = file::stamp(path).map(|stamp| (path.to_owned(), stamp));
    Ok(Bound::Unix { listener: socket.into(), file: SocketFile(stamp) })
}

/// Sockets that were opened before we were started (socket activation: `LISTEN_FDS`).
pub struct Inherited {
    sockets: Vec<(String, socket2::Socket)>,
}

impl Inherited {
    /// No sockets.
    pub fn none() -> Self {
        Self { sockets: Vec::new() }
    }

    /// Takes over the sockets that were passed to this process. `names` is the value of `LISTEN_FDNAMES`, which the
    /// program reads; without it, and for sockets beyond it, a socket is called by its position, from 0.
    pub fn from_environment(names: Option<&str>) -> Self {
        let mut passed = listenfd::ListenFd::from_env();
        let names: Vec<&str> = names.map(|names| names.split(':').collect()).unwrap_or_default();
        let mut sockets = Vec::new();
        for position in 0..passed.len() {
            // The library looks at the kind; a datagram socket is none of ours and stays where it is.
            let socket = match passed.take_tcp_listener(position) {
                Ok(Some(listener)) => Some(socket2::Socket::from(listener)),
                _ => passed.take_unix_listener(position).ok().flatten().map(socket2::Socket::from),
            };
            if let Some(socket) = socket {
                let name = names.get(position).map_or_else(|| position.to_string(), |&name| name.to_owned());
                sockets.push((name, socket));
            }
        }
        Self { sockets }
    }

    /// The names under which sockets were passed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|(name, _)| name.as_str())
    }

    /// A listener on a passed socket. The socket stays here too, so that a reload finds it again.
    fn take(&self, name: &str) -> io::Result<Bound> {
        let Some((_, socket)) = self.sockets.iter().find(|(known, _)| known == name) else {
            let names: Vec<&str> = self.names().collect();
            let what =
                format!("no socket {name:?} was passed to this process; passed: [{}]", names.join(", "));
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        };
        let socket = socket2::Socket::from(socket.as_fd().try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        if socket.local_addr()?.domain() == Domain::UNIX {
            // Its file belongs to whoever opened it.
            return Ok(Bound::Unix { listener: socket.into(), file: SocketFile(None) });
        }
        Ok(Bound::Tcp(socket.into()))
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Connections that wait to be accepted. The kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    //! Sockets that somebody else has opened.

    use super::*;
    use crate::config::{Protocol as Spoken, TlsMode};
    use restante_config::value::Mode;

    fn listen(name: &str) -> Listen {
        let address = Address::Inherited(name.to_owned());
        let (protocol, tls, mode) = (Spoken::Pop3, TlsMode::Off, Mode(0o600));
        Listen {
            protocol,
            address,
            tls,
            mode,
            owner: None,
            group: None,
            proxy_from: Vec::new(),
            proxy_tls: false,
        }
    }

    #[tokio::test]
    async fn a_passed_socket_is_found_by_name_as_often_as_it_is_asked_for() {
        let opened = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = opened.local_addr().unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("socket");
        let unix = unix::net::UnixListener::bind(&path).unwrap();
        let sockets = vec![("pop3".to_owned(), opened.into()), ("1".to_owned(), unix.into())];
        let inherited = Inherited { sockets };
        for _ in 0..2 {
            let socket = Socket::bind(&listen("pop3"), &inherited).unwrap();
            assert_eq!(socket.address(&listen("pop3").address), Address::Tcp(address));
            let client = tokio::net::TcpStream::connect(address).await.unwrap();
            let (_, peer) = socket.accept().await.unwrap();
            assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
        }
        let socket = Socket::bind(&listen("1"), &inherited).unwrap();
        let _client = tokio::net::UnixStream::connect(&path).await.unwrap();
        assert_eq!(socket.accept().await.unwrap().1, Peer::Unix);
        drop(socket);
        // Its file belongs to whoever opened it.
        assert!(path.exists());
    }
}
