//! SASLprep (RFC 4013) for names and passwords.
