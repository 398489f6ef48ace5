//! How a command ends: the same exit codes as everywhere in `cargo xtask`.

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
    pub(super) fn usage(what: impl Into<Error>) -> Self {
        Self::Usage(what.into())
    }

    pub(super) fn lacking(what: impl Into<Error>) -> Self {
        Self::Lacking(what.into())
    }

    /// Prints what there is to say and gives the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let (code, text) = match self {
            Self::Failed(error) => (1, format!("error: {error:#}")),
            Self::Usage(error) => (2, format!("error: {error:#}")),
            Self::Lacking(error) => (3, format!("error: {error:#}")),
            Self::Interrupted(text) => (130, text.clone()),
            Self::Found => (1, String::new()),
        };
        if !text.is_empty() {
            eprintln!("{text}");
        }
        ExitCode::from(code)
    }
}

/// Whatever an engine says is a failure of what was tried; where it is the user's or the machine's, the
/// caller says so.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
