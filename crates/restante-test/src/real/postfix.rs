//! Debian's Postfix, with a configuration and queue of its own, that hands mail to an LMTP socket.
