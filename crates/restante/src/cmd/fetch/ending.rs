//! From what the accounts came to, to the exit code.

use restante_fetch::report::{Ending, Kind, Report};

use crate::exit::{Code, Failure};

/// How the program ends when these are the accounts. The events have said everything.
pub(super) fn outcome<'a>(reports: impl Iterator<Item = &'a Report>) -> Result<(), Failure> {
    let codes: Vec<Option<Code>> = reports.map(code).collect();
    let worst = WORST_FIRST.iter().find(|worst| codes.contains(&Some(**worst)));
    match worst {
        None => Ok(()),
        // Some did, and some did not.
        Some(_) if codes.contains(&None) || codes.contains(&Some(Code::NotAll)) => {
            Err(Failure::said(Code::NotAll))
        }
        Some(worst) => Err(Failure::said(*worst)),
    }
}

/// What one account ends with; `None` when all is collected.
fn code(report: &Report) -> Option<Code> {
    match (report.ending(), &report.failure) {
        (Ending::Complete, _) => None,
        (Ending::Partly, Some(_)) => Some(Code::NotAll),
        (_, Some(failure)) => Some(of_kind(failure.kind)),
        // All that came is where it belongs, or where somebody can see to it.
        (_, None) if report.quarantined > 0 => Some(Code::Data),
        (_, None) => Some(Code::Temporary),
    }
}

/// What a failure of this kind ends with.
pub(super) fn of_kind(kind: Kind) -> Code {
    match kind {
        Kind::Credentials | Kind::Doubtful => Code::Permission,
        Kind::Busy | Kind::InUse | Kind::Stopped => Code::Temporary,
        Kind::Support | Kind::Unreachable => Code::Unavailable,
        Kind::Tls | Kind::Protocol => Code::Protocol,
        Kind::Files => Code::Io,
        Kind::UniqueIds | Kind::Configuration => Code::Config,
    }
}

/// Of several accounts that have all failed, the one that needs a person most decides.
const WORST_FIRST: &[Code] = &[
    Code::Config,
    Code::Permission,
    Code::Protocol,
    Code::Io,
    Code::Unavailable,
    Code::Data,
    Code::Temporary,
    Code::NotAll,
];

#[cfg(test)]
mod tests {
    use super::*;
    use restante_fetch::report::Failure as Why;
    use std::process::ExitCode;

    fn failed(kind: Kind) -> Report {
        Report::failed(Why::new(kind, "x"))
    }

    #[test]
    fn one_account_tells_what_went_wrong() {
        let collected = Report { collected: 3, ..Report::default() };
        for (report, code) in [
            (Report::default(), 0),
            (collected.clone(), 0),
            (Report { skipped: 2, ..Report::default() }, 0),
            (failed(Kind::Credentials), 77),
            (failed(Kind::Doubtful), 77),
            (failed(Kind::Busy), 75),
            (failed(Kind::Unreachable), 69),
            (failed(Kind::Tls), 76),
            (failed(Kind::Protocol), 76),
            (failed(Kind::Files), 74),
            (failed(Kind::UniqueIds), 78),
            (Report { collected: 3, ..failed(Kind::Unreachable) }, 1),
            (Report { quarantined: 1, ..collected.clone() }, 65),
            (Report { later: 1, ..collected.clone() }, 75),
            (Report { refused: 1, ..collected }, 75),
        ] {
            let status =
                outcome([&report].into_iter()).map_or_else(|failure| failure.status(), |()| 0.into());
            assert_eq!(status, ExitCode::from(code), "{report:?}");
        }
    }

    #[test]
    fn several_accounts_are_partly_done_or_as_bad_as_the_worst() {
        for (reports, code) in [
            (vec![Report::default(), Report::default()], 0),
            (vec![Report::default(), failed(Kind::Credentials)], 1),
            (vec![failed(Kind::Busy), failed(Kind::Credentials)], 77),
            (vec![failed(Kind::Busy), Report { collected: 1, ..failed(Kind::Tls) }], 1),
            (vec![failed(Kind::Busy), failed(Kind::Busy)], 75),
        ] {
            let status = outcome(reports.iter()).map_or_else(|failure| failure.status(), |()| 0.into());
            assert_eq!(status, ExitCode::from(code), "{reports:?}");
        }
    }
}
