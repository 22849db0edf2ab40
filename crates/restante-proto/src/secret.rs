//! Secrets that wipe themselves. Passwords and tokens travel as [`Secret`] from the line they came in to the
//! place that verifies them, and exist nowhere after.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

mod buffer;

pub use buffer::{SecretBuffer, make_room};

/// Octets that must not be printed and do not outlive their use: they are overwritten on drop.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes `octets` over as a secret.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets themselves. Not for logs, errors or comparison with `==`.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no octet in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Overwrites octets that may be a secret, in a way that no compiler leaves out and as fast as memory is.
pub fn wipe(octets: &mut [u8]) {
    octets.fill(0);
    zeroize::optimization_barrier(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(b"tanstaaf".to_vec());
        assert_eq!(std::format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), b"tanstaaf");
        assert!(!secret.is_empty());
    }
}
