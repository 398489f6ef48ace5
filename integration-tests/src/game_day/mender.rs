//! What gives back, if the run is killed, what it has taken away.
//!
//! It is a process below the guard, which ends it with SIGTERM as soon as the harness is gone, be it by `kill -9`. Of a run
//! that has given back everything itself there is no record, and then there is nothing to do.

use std::env;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use operate::game_day;
use tokio::time::sleep;

use crate::processes::supervised::{GuardProgram, Spec, SuperviseError, Supervised};
use crate::run::{Checkout, interrupted};
use cli::Failure;

/// Its name, in logs and errors.
const NAME: &str = "mender";
/// How long giving back may take: changes of a mapping take minutes.
const GRACE: Duration = Duration::from_mins(15);
/// What the killed run asked for last has been answered by then.
const SETTLE: Duration = Duration::from_secs(1);

/// `harness mender`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment of the game day.
    #[arg(long)]
    environment: String,
}

/// Waits for SIGTERM, and undoes what is recorded.
pub fn run(args: &Args, checkout: &Checkout) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        interrupted().await?;
        sleep(SETTLE).await;
        let say = |what: &str| eprintln!("{what}");
        let healed = Box::pin(game_day::heal(checkout, &args.environment, say)).await?;
        if let Some(healed) = healed {
            eprint!("{healed}");
        }
        Ok(())
    })
}

pub(super) async fn start(
    guard: &GuardProgram,
    environment: &str,
    run_dir: &Path,
    checkout: &Checkout,
) -> Result<Supervised, SuperviseError> {
    let mut spec =
        Spec::new(NAME, guard.path(), run_dir).args([NAME, "--environment", environment]);
    spec.grace = GRACE;
    // It signs in as the run itself does.
    for (name, value) in env::vars_os() {
        if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
            spec = spec.env(name, value);
        }
    }
    let spec = spec
        .env("TWINCLOUD_ROOT", checkout.root.display().to_string())
        .env("TWINCLOUD_ARTIFACTS", checkout.artifacts.display().to_string());
    Supervised::spawn(guard, spec).await
}
