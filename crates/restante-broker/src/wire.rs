//! A socket between two of our processes: whole packets, each with at most one open file.
//!
//! `SOCK_SEQPACKET` keeps packets whole and in order, so there is nothing to cut and nothing to lose track of. What the octets
//! mean is in `packet.rs`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sockopt,
};
use zeroize::Zeroizing;

/// One end of such a socket. Closed on drop, which the other end notices.
#[derive(Debug)]
pub(crate) struct Socket {
    end: OwnedFd,
}

/// What came over a socket.
#[derive(Debug)]
pub(crate) struct Packet {
    /// At most [`PACKET_OCTETS_MAX`]. It may hold a password.
    pub(crate) octets: Zeroizing<Vec<u8>>,
    /// The open file that came with it.
    pub(crate) file: Option<OwnedFd>,
}

impl Socket {
    /// Two ends of one socket, the second to be given to another process.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self { end: ours }, theirs))
    }

    /// The end that came as somebody's file.
    ///
    /// # Errors
    /// It is no socket of this kind.
    pub(crate) fn adopt(end: OwnedFd) -> io::Result<Self> {
        let is_ours = sockopt::socket_domain(&end).is_ok_and(|family| family == AddressFamily::UNIX)
            && sockopt::socket_type(&end).is_ok_and(|kind| kind == SocketType::SEQPACKET);
        match is_ours {
            true => Ok(Self { end }),
            false => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "this is started by restante serve alone"))
            }
        }
    }

    /// The end that this process was started with.
    ///
    /// # Errors
    /// Standard input is no socket of this kind.
    pub(crate) fn of_stdin() -> io::Result<Self> {
        Self::adopt(io::stdin().as_fd().try_clone_to_owned()?)
    }

    /// The end itself, to be given away.
    pub(crate) fn into_end(self) -> OwnedFd {
        self.end
    }

    /// From now on a packet is waited for, and a place in the other end's queue, for so long at most.
    pub(crate) fn limit(&self, wait: Duration) -> io::Result<()> {
        sockopt::set_socket_timeout(&self.end, sockopt::Timeout::Recv, Some(wait))?;
        Ok(sockopt::set_socket_timeout(&self.end, sockopt::Timeout::Send, Some(wait))?)
    }

    /// Sends a packet of 1 to [`PACKET_OCTETS_MAX`] octets.
    ///
    /// # Errors
    /// `TimedOut`, `BrokenPipe` when the other end is closed, or as the system says.
    pub(crate) fn send(&self, octets: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.send_with(octets, file, SendFlags::NOSIGNAL)
    }

    /// As [`Socket::send`], but does not wait for a place in the queue.
    pub(crate) fn send_now(&self, octets: &[u8]) -> io::Result<()> {
        self.send_with(octets, None, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_with(&self, octets: &[u8], file: Option<BorrowedFd<'_>>, flags: SendFlags) -> io::Result<()> {
        if octets.is_empty() || octets.len() > PACKET_OCTETS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a packet of no possible size"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file]);
        if let Some(files) = &files {
            // The space is that of one file.
            let _ = control.push(SendAncillaryMessage::ScmRights(files));
        }
        loop {
            match rustix::net::sendmsg(&self.end, &[IoSlice::new(octets)], &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for a packet; `None` when the other end is closed.
    ///
    /// # Errors
    /// `TimedOut`; `InvalidData` for a packet that is too long or brings more than it may; or as the system says.
    pub(crate) fn receive(&self) -> io::Result<Option<Packet>> {
        let mut octets = Zeroizing::new(vec![0; PACKET_OCTETS_MAX]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut buffers = [IoSliceMut::new(&mut octets)];
            match rustix::net::recvmsg(&self.end, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => break received,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
                // Whoever dies with unread packets resets the connection.
                Err(Errno::CONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        let mut file = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                // What is more than one is closed again.
                files.for_each(|one| file = Some(one));
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet that is too long"));
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        octets.truncate(received.bytes);
        Ok(Some(Packet { octets, file }))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Two paths of the longest kind, or some hundred names of files, fit in.
pub(crate) const PACKET_OCTETS_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    #[test]
    fn packets_stay_whole_and_bring_a_file() {
        let (ours, theirs) = Socket::pair().unwrap();
        let theirs = Socket::adopt(theirs).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"x").unwrap();
        ours.send(b"one", None).unwrap();
        ours.send(&vec![7; PACKET_OCTETS_MAX], Some(file.as_fd())).unwrap();
        let one = theirs.receive().unwrap().unwrap();
        assert_eq!((&**one.octets, one.file.is_none()), (&b"one"[..], true));
        let two = theirs.receive().unwrap().unwrap();
        assert_eq!(two.octets.len(), PACKET_OCTETS_MAX);
        let mut file = File::from(two.file.unwrap());
        io::Seek::rewind(&mut file).unwrap();
        let mut octets = Vec::new();
        file.read_to_end(&mut octets).unwrap();
        assert_eq!(octets, b"x");
        drop(ours);
        assert!(theirs.receive().unwrap().is_none());
        assert_eq!(theirs.send(b"x", None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn nothing_is_waited_for_for_ever() {
        let (ours, theirs) = Socket::pair().unwrap();
        ours.limit(Duration::from_millis(5)).unwrap();
        assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::TimedOut);
        let full = std::iter::repeat_with(|| ours.send(&[1; 1000], None)).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let (ours, theirs) = Socket::pair().unwrap();
        for octets in [vec![], vec![0; PACKET_OCTETS_MAX + 1]] {
            assert_eq!(ours.send(&octets, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        let long = vec![0; PACKET_OCTETS_MAX + 1];
        rustix::net::send(&theirs, &long, SendFlags::empty()).unwrap();
        assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(Socket::adopt(tempfile::tempfile().unwrap().into()).is_err());
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Socket::adopt(stream.into()).is_err());
    }
}
