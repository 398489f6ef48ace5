//! The program `producer`: a source, a spool and both clouds, put together. [`binance_ws`] listens to Binance.

mod args;
pub mod binance_ws;
mod clouds;
mod health;
mod observer;
mod overrides;
mod run;
mod source;

use std::process::ExitCode;

use clap::Parser as _;

pub use args::{Args, Source};
pub use clouds::{CloudOverrideStore, CloudQueue};

/// Why the program ends without having done what it was asked to.
#[derive(Debug)]
enum Failure {
    /// The arguments or settings can't be used.
    Usage(anyhow::Error),
    /// Something that it needs is not there, or belongs to another producer.
    Environment(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

/// The program's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The source has ended and the route has all of it.
    Done,
    /// By this signal: its number.
    Signal(u8),
}

/// Runs the program. Exit codes: 0 all is where it is to be, 1 it failed, 2 usage, 3 the environment lacks something,
/// 130 and 143 Ctrl-C and SIGTERM.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run::run(args));
            // Tasks that still wait for a cloud are dropped.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::Environment(anyhow::Error::new(error).context("start threads"))),
    };
    let (code, error) = match ended {
        Ok(End::Done) => return ExitCode::SUCCESS,
        Ok(End::Signal(number)) => return ExitCode::from(128 + number),
        Err(Failure::Other(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::Environment(error)) => (3, error),
    };
    eprintln!("producer: {error:#}");
    ExitCode::from(code)
}
