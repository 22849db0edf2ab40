//! `restante checkpassword-answer`: what a program of a source `checkpassword` becomes when a password is right.

use std::io::Write;

use restante_server::assemble::programs;

use crate::exit::{Code, Failure};

/// Prints what the environment says of the account.
// The environment is the answer.
#[allow(clippy::disallowed_methods)]
pub(crate) fn answer() -> Result<(), Failure> {
    let answer = programs::answer_of(std::env::vars_os());
    let mut output = std::io::stdout().lock();
    let written = output.write_all(&answer).and_then(|()| output.flush());
    written.map_err(|error| Failure::new(Code::Io, format!("the answer cannot be written: {error}")))
}
