//! What removes a run's containers when the run is over, however it ended.
//!
//! It is a process below the guard, which ends it with SIGTERM as soon as the harness is gone, be it by `kill -9`. If even
//! this one is killed, [`docker::reap`] removes what is left at the next start.

use std::path::Path;

use anyhow::Context as _;

use crate::docker;
use crate::processes::container::HOLDER_GRACE;
use crate::processes::supervised::{GuardProgram, Spec, SuperviseError, Supervised};
use crate::run::interrupted;
use cli::Failure;

/// Its name, in logs and errors.
const NAME: &str = "reaper";

/// `harness reaper`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run whose containers and networks are to be removed.
    #[arg(long)]
    run: String,
}

/// Waits for SIGTERM, and removes everything that the run has left.
pub fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        interrupted().await?;
        docker::remove_run(&args.run).await.context("remove what the run has left")?;
        Ok(())
    })
}

pub(super) async fn start(
    guard: &GuardProgram,
    run: &str,
    run_dir: &Path,
) -> Result<Supervised, SuperviseError> {
    let mut spec = Spec::new(NAME, guard.path(), run_dir).args([NAME, "--run", run]);
    spec.grace = HOLDER_GRACE;
    let variables = docker::engine_variables();
    let spec = variables.fold(spec, |spec, (name, value)| spec.env(name, value));
    Supervised::spawn(guard, spec).await
}
