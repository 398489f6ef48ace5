//! How a command ends: 0 done, 1 failed, 2 usage, 3 the environment lacks something, 130 interrupted.

use std::fmt;
use std::process::ExitCode;

use anyhow::Error;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The work failed: exit code 1.
    Failed(Error),
    /// The arguments, the settings or the input are wrong: exit code 2.
    Usage(Error),
    /// This machine or environment lacks something: exit code 3.
    MissingPrerequisite(Error),
    /// A person stopped it: exit code 130, as shells have it. The text says what state that leaves; empty: none.
    Interrupted(String),
    /// A check found a fault, and the command's output says which: exit code 1.
    CheckFailed,
}

impl Failure {
    /// A mistake in the arguments, the settings or the input.
    pub fn usage(what: impl Into<Error>) -> Self {
        Self::Usage(what.into())
    }

    /// Something that this machine or environment lacks.
    pub fn missing(what: impl Into<Error>) -> Self {
        Self::MissingPrerequisite(what.into())
    }

    /// Prints what there is to say and gives the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::MissingPrerequisite(_) => 3,
            Self::Interrupted(_) => 130,
            Self::CheckFailed => return ExitCode::from(1),
        };
        match self {
            Self::Interrupted(text) if text.is_empty() => {}
            Self::Interrupted(text) => eprintln!("{text}"),
            error => eprintln!("error: {error}"),
        }
        ExitCode::from(code)
    }
}

/// The error with its causes, in one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) | Self::Usage(error) | Self::MissingPrerequisite(error) => {
                write!(f, "{error:#}")
            }
            Self::Interrupted(text) => f.write_str(text),
            Self::CheckFailed => Ok(()),
        }
    }
}

/// Any other error is one of the work; where it is the user's or the machine's, the caller says so.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
