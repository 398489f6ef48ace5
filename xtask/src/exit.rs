//! Exit codes, the same for every command: 0 holds, 1 broken, 2 usage, 3 the environment lacks something.

use std::fmt;
use std::process::ExitCode;

/// The failure of a command.
pub(crate) enum Failure {
    /// A check failed, with this message: exit code 1.
    Failed(String),
    /// The environment lacks something: exit code 3.
    MissingPrerequisite(String),
    /// A program of this workspace has printed the failure; its exit code is passed on.
    Passed(u8),
}

impl Failure {
    pub(crate) fn missing(what: impl fmt::Display) -> Self {
        Self::MissingPrerequisite(what.to_string())
    }
}

pub(crate) fn code(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(1)
        }
        Err(Failure::MissingPrerequisite(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(3)
        }
        Err(Failure::Passed(code)) => ExitCode::from(code),
    }
}
