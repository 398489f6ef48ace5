//! The restore watchdog: a process that undoes what a game day has taken away, if the run is killed.
//!
//! It runs below the guard, which ends it with SIGTERM as soon as the harness is gone, be it by `kill -9`. A run that has undone
//! everything itself leaves no record, and then there is nothing to do.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use operate::game_day;
use tokio::time::sleep;

use crate::processes::supervised::{GuardProgram, Spec, SuperviseError, Supervised};
use crate::run::{Checkout, interrupted};
use cli::Failure;

/// The name of its subcommand, in logs and in errors.
pub const NAME: &str = "restore-watchdog";
/// Timeout for undoing the switches: changes of a mapping take minutes.
const GRACE: Duration = Duration::from_mins(15);
/// Time after which the killed run's last request has been answered.
const SETTLE: Duration = Duration::from_secs(1);
/// The pause between two looks for the file.
const POLL: Duration = Duration::from_millis(10);

/// `harness restore-watchdog`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment of the game day.
    #[arg(long)]
    environment: String,
    /// The file that is made once SIGTERM is waited for.
    #[arg(long)]
    ready: PathBuf,
}

/// Waits for SIGTERM, and undoes what is recorded.
pub fn run(args: &Args, checkout: &Checkout) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        let ready = async {
            tokio::fs::write(&args.ready, "").await.context("say that the watchdog is ready")?;
            std::future::pending::<anyhow::Result<()>>().await
        };
        // In this order: the first poll of `interrupted` installs the handler.
        tokio::select! {
            biased;
            ended = interrupted() => ended?,
            failed = ready => failed?,
        }
        sleep(SETTLE).await;
        let say = |what: &str| eprintln!("{what}");
        let healed = Box::pin(game_day::heal(checkout, &args.environment, say)).await?;
        if let Some(healed) = healed {
            eprint!("{healed}");
        }
        Ok(())
    })
}

/// Starts it, and waits until it would undo what is recorded: nothing may be taken away before.
pub(super) async fn start(
    guard: &GuardProgram,
    environment: &str,
    run_dir: &Path,
    checkout: &Checkout,
) -> Result<Supervised, SuperviseError> {
    let ready = run_dir.join("restore-watchdog.ready");
    let mut spec = Spec::new(NAME, guard.path(), run_dir)
        .args([NAME, "--environment", environment, "--ready"])
        .args([ready.as_os_str()]);
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
    let watchdog = Supervised::spawn(guard, spec).await?;
    while !ready.exists() {
        if watchdog.exited().is_some() {
            return Err(watchdog.ended());
        }
        sleep(POLL).await;
    }
    // The file of a folder whose run is over says nothing.
    let _ = std::fs::remove_file(&ready);
    Ok(watchdog)
}
