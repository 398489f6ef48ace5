//! The deployment commands: `cargo xtask plan`, `deploy`, `destroy`, `outputs`, `status`, `drift`.
//!
//! Settings are rendered into values, values into a plan; the plan is shown, confirmed and applied, and the outputs
//! are kept: the same steps for every engine.

mod artifacts;
mod ask;
mod aws;
mod cloud_status;
mod clouds;
mod code_only;
mod components;
mod connect;
mod deploy;
mod destroy;
mod drift;
mod kept;
mod known;
mod outputs;
mod plan;
mod plans;
mod refresh_outputs;
mod render;
mod report;
mod session;
mod site;
mod status;
mod step;

use std::env;
use std::process::ExitCode;

use cli::Failure;
use infra::Checkout;
use tokio::signal::unix::{SignalKind, signal};

pub use ask::{agree, agree_on};
pub use cloud_status::CloudStatus;
pub use report::print;
pub use site::{DeployContext, now_ms};
pub use status::{Row, basics, number, write_side_by_side};

/// One of the commands.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Write the values that Terraform, the stack and a shell take, from twincloud.toml.
    Render(args::Render),
    /// Print what a deploy would change, and change nothing.
    Plan(args::Plan),
    /// Deploy one cloud or both, and send a trade through as a smoke test.
    Deploy(args::Deploy),
    /// Delete what was deployed, and show that nothing is left.
    Destroy(args::Destroy),
    /// Print the outputs of a deployment: names, URLs, ARNs.
    Outputs(args::Outputs),
    /// Show both clouds side by side.
    Status(args::Status),
    /// Print what was changed since the last deploy, other than by a deploy.
    Drift(args::Drift),
}

/// Runs a command to its end, or until Ctrl-C or SIGTERM.
#[must_use]
pub fn run(command: &Command, checkout: &Checkout) -> ExitCode {
    to_end(until_interrupted(command, checkout))
}

/// Runs the work of a command on its own runtime, and returns its exit code.
pub fn to_end(work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let done = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(Box::pin(work)),
        Err(error) => Err(error.into()),
    };
    done.map_or_else(|failure| failure.exit_code(), |()| ExitCode::SUCCESS)
}

async fn until_interrupted(command: &Command, checkout: &Checkout) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut work = std::pin::pin!(dispatch(command, checkout));
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // Terraform saves its state and releases its lock, so this waits for it.
        if !session::is_running() {
            return Err(interrupted());
        }
    }
}

fn interrupted() -> Failure {
    Failure::Interrupted(
        "interrupted: what was started in the cloud goes on there; run the same command again to take it up".to_owned(),
    )
}

async fn dispatch(command: &Command, checkout: &Checkout) -> Result<(), Failure> {
    match command {
        Command::Render(args) => render::run(args, checkout),
        Command::Plan(args) => plan::run(args, checkout).await,
        Command::Deploy(args) => deploy::run(args, checkout).await,
        Command::Destroy(args) => destroy::run(args, checkout).await,
        Command::Outputs(args) => outputs::run(args, checkout).await,
        Command::Status(args) => Box::pin(status::run(args, checkout)).await,
        Command::Drift(args) => drift::run(args, checkout).await,
    }
}

/// Environment variables that may hold settings.
fn variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
