//! The configuration: any text is read or refused with a reason on one of its lines, and what is shown reads back equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_config::problem::Severity;
use restante_server::config;
use std::path::Path;

fuzz_target!(|text: &str| {
    // No such folder: what the keys name is looked for and not found.
    let path = Path::new("/nonexistent/restante.toml");
    match config::parse(text, path) {
        Ok(mut meant) => {
            let shown = meant.show();
            let mut again = config::parse(&shown, path).unwrap_or_else(|problems| {
                panic!("what is shown does not read back: {problems:?}\n{shown}");
            });
            assert_eq!(again.show(), shown);
            meant.warnings.clear();
            again.warnings.clear();
            assert_eq!(meant, again);
        }
        Err(problems) => {
            assert!(problems.iter().any(|problem| problem.severity == Severity::Error));
            let lines = text.split('\n').count();
            for problem in problems {
                assert!(problem.line <= lines, "{problem}");
                assert!(!problem.what.is_empty() && !problem.remedy.is_empty());
            }
        }
    }
});
