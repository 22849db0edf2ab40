//! Events of certificates: those that are read anew or end, what is stapled to them, and how new ones are got.

use super::line::Line;
use super::{Peer, Trace, chain};
use crate::tls::expiry::{self, Expiry};
use std::error::Error;
use std::fmt;
use std::path::Path;

/// What becomes of certificates.
pub(crate) enum CertificateEvent<'a> {
    /// New ones are in use.
    Reloaded { certificate: &'a Path },
    /// New ones are not usable; the old ones stay.
    Kept { certificate: &'a Path, error: &'a dyn Error },
    /// It ends soon, has ended, or does not hold yet; said once a day.
    Expires { certificate: &'a Path, names: &'a [String], expiry: Expiry },
    /// A response of OCSP is not stapled.
    NotStapled { problem: &'a dyn fmt::Display },
    /// An ACME server has given a new one.
    Obtained { names: &'a [String], directory: &'a str },
    /// An ACME server has given none; the next try.
    NotObtained { names: &'a [String], directory: &'a str, error: &'a dyn Error, retry_s: u64 },
    /// An ACME server has been given the answer to a challenge.
    ChallengeAnswered { trace: Trace, peer: &'a Peer },
}

impl CertificateEvent<'_> {
    pub(super) fn level(&self) -> &'static str {
        match self {
            Self::Reloaded { .. } => "info",
            Self::Kept { .. } | Self::NotObtained { .. } => "error",
            Self::Obtained { .. } | Self::ChallengeAnswered { .. } => "info",
            Self::Expires { expiry, .. } if expiry.is_over() => "error",
            Self::Expires { .. } | Self::NotStapled { .. } => "warn",
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Reloaded { .. } => "certificate_reloaded",
            Self::Kept { .. } => "certificate_kept",
            Self::Expires { .. } => "certificate_expires",
            Self::NotStapled { .. } => "not_stapled",
            Self::Obtained { .. } => "certificate_obtained",
            Self::NotObtained { .. } => "certificate_not_obtained",
            Self::ChallengeAnswered { .. } => "challenge_answered",
        }
    }

    pub(super) fn fields(&self, line: &mut Line<'_>) {
        match self {
            Self::Reloaded { certificate } => line.text("certificate", &certificate.display()),
            Self::Kept { certificate, error } => {
                line.text("certificate", &certificate.display());
                line.text("error", &chain(*error));
            }
            Self::Expires { certificate, names, expiry } => {
                line.text("certificate", &certificate.display());
                line.text("names", &names.join(","));
                if let Ok(time) = jiff::Timestamp::try_from(expiry.not_after) {
                    line.word("not_after", &format_args!("{time:.0}"));
                }
                line.number("days", expiry.days());
                line.text("problem", &format_args!("it {expiry}"));
                line.text("remedy", &expiry::REMEDY);
            }
            Self::NotStapled { problem } => line.text("problem", problem),
            Self::Obtained { names, directory } => {
                line.text("names", &names.join(","));
                line.text("directory", directory);
            }
            Self::NotObtained { names, directory, error, retry_s } => {
                line.text("names", &names.join(","));
                line.text("directory", directory);
                line.text("error", &chain(*error));
                line.number("retry_s", *retry_s);
            }
            Self::ChallengeAnswered { trace, peer } => {
                line.word("trace", trace);
                line.text("peer", peer);
            }
        }
    }
}
