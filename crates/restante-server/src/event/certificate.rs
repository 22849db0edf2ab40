//! Events of certificates: those that end, what is stapled to them, and how new ones are got.

use super::line::Line;
use crate::tls::expiry::{self, Expiry};
use std::fmt;
use std::path::Path;

/// What becomes of certificates, beside being read anew.
pub(crate) enum CertificateEvent<'a> {
    /// It ends soon, has ended, or does not hold yet; said once a day.
    Expires { certificate: &'a Path, names: &'a [String], expiry: Expiry },
    /// A response of OCSP is not stapled.
    NotStapled { problem: &'a dyn fmt::Display },
}

impl CertificateEvent<'_> {
    pub(super) fn level(&self) -> &'static str {
        match self {
            Self::Expires { expiry, .. } if expiry.is_over() => "error",
            Self::Expires { .. } | Self::NotStapled { .. } => "warn",
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Expires { .. } => "certificate_expires",
            Self::NotStapled { .. } => "not_stapled",
        }
    }

    pub(super) fn fields(&self, line: &mut Line<'_>) {
        match self {
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
