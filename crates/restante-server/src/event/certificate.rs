//! Events of certificates: those that are read anew or end, what is stapled to them, and how new ones are got.

use super::chain;
use super::line::Line;
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
}

impl CertificateEvent<'_> {
    pub(super) fn level(&self) -> &'static str {
        match self {
            Self::Reloaded { .. } => "info",
            Self::Kept { .. } => "error",
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
        }
    }
}
