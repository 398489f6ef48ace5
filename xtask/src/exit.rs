//! Exit codes, the same for every command: 0 holds, 1 broken, 2 usage, 3 the environment lacks something.

use std::fmt;
use std::process::ExitCode;

/// What a command came to.
pub(crate) enum Failure {
    /// A check failed, and said so: exit code 1.
    Broken(String),
    /// The environment lacks something: exit code 3.
    Lacking(String),
    /// A program of ours said it all; its exit code is ours.
    Passed(u8),
}

impl Failure {
    pub(crate) fn lacking(what: impl fmt::Display) -> Self {
        Self::Lacking(what.to_string())
    }
}

pub(crate) fn code(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Broken(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(1)
        }
        Err(Failure::Lacking(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(3)
        }
        Err(Failure::Passed(code)) => ExitCode::from(code),
    }
}
