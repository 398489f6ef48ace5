//! How a command ends: the same exit codes as everywhere in `cargo xtask`.

use std::fmt;
use std::process::ExitCode;

use anyhow::Error;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was tried and did not work: exit code 1.
    Failed(Error),
    /// What was asked for makes no sense: exit code 2.
    Usage(Error),
    /// The environment lacks something: exit code 3.
    Lacking(Error),
    /// A person stopped it: exit code 130, as shells have it.
    Interrupted(String),
    /// What was printed says it: exit code 1.
    Found,
}

impl Failure {
    /// Of the user: exit code 2.
    pub fn usage(what: impl Into<Error>) -> Self {
        Self::Usage(what.into())
    }

    /// Of the machine or of an environment: exit code 3.
    pub fn lacking(what: impl Into<Error>) -> Self {
        Self::Lacking(what.into())
    }

    /// Prints what there is to say and gives the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Lacking(_) => 3,
            Self::Interrupted(_) => 130,
            Self::Found => return ExitCode::from(1),
        };
        match self {
            Self::Interrupted(text) => eprintln!("{text}"),
            error => eprintln!("error: {error}"),
        }
        ExitCode::from(code)
    }
}

/// What there is to say, in one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) | Self::Usage(error) | Self::Lacking(error) => {
                write!(f, "{error:#}")
            }
            Self::Interrupted(text) => f.write_str(text),
            Self::Found => Ok(()),
        }
    }
}

/// Whatever an engine says is a failure of what was tried; where it is the user's or the machine's, the
/// caller says so.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
