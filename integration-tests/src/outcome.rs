//! What a command came to, as an exit code: 0 holds, 1 broken, 2 usage, 3 the environment lacks something.

use std::process::ExitCode;

use anyhow::Error;

/// Why there is no verdict, or which one.
#[derive(Debug)]
pub enum Failure {
    /// An invariant is broken, or the run could not be brought to its end: exit code 1.
    Broken(Error),
    /// What was asked for makes no sense: exit code 2.
    Usage(Error),
    /// The environment lacks something: exit code 3.
    Lacking(Error),
    /// A person stopped the run: exit code 130, as shells have it.
    Interrupted,
    /// The report has said it: exit code 1.
    Verdict,
}

impl Failure {
    /// Prints what there is to say and gives the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let (code, error) = match self {
            Self::Broken(error) => (1, Some(error)),
            Self::Usage(error) => (2, Some(error)),
            Self::Lacking(error) => (3, Some(error)),
            Self::Interrupted => (130, None),
            Self::Verdict => (1, None),
        };
        if let Some(error) = error {
            eprintln!("error: {error:#}");
        }
        ExitCode::from(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}
