//! Stored secrets: their forms, and whether a password fits one.

/// A form in which a secret is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// The password itself.
    Plain,
    /// `$6$`, SHA-512 as crypt(3) uses it.
    Sha512Crypt,
}

/// A secret as stored, ready to be checked against.
#[derive(Clone, Debug)]
pub struct StoredPassword;
