//! A service as a container of the very image that is deployed.
//!
//! The engine owns a container, so the guard can't end it as it ends a process. What the guard starts in its place is
//! `harness container`: it starts the container, lives as long as it does, and takes it along when it is told to end. If
//! even this holder is killed, [`docker::reap`] removes what it left when the next one starts.

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use infra::package::image::ImageReference;
use tokio::process::Command;
use tokio::time::timeout;

use crate::docker::{self, ANSWER, DockerError, docker};
use crate::run::interrupted;

/// Between SIGTERM and SIGKILL of a container, in seconds; the holder's own grace is longer.
const GRACE_S: &str = "2";
/// Time between SIGTERM and SIGKILL for the holder.
pub(crate) const HOLDER_GRACE: Duration = Duration::from_secs(15);
/// The exit code where the engine can't be run, as a shell has it.
const CANNOT_START: u8 = 127;

/// Has the engine pull the image, unless it has it.
pub async fn ensure_image(image: &ImageReference) -> Result<(), DockerError> {
    docker::ensure_image(&image.to_string()).await
}

/// Kills the run's container with SIGKILL, if there is one now, and says which it was.
pub async fn kill(run: &str) -> Option<String> {
    let container = docker::containers_of(run).await.ok()?.into_iter().next()?;
    docker(&["kill", "--signal", "KILL", &container], ANSWER).await.ok().map(|_| container)
}

/// Removes what containers the run may have left.
pub async fn remove(run: &str) -> Result<(), DockerError> {
    docker::remove_run(run).await
}

/// `harness container`: the words of `docker run` after its options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run that the container belongs to.
    #[arg(long)]
    run: String,
    /// Options, the image and its arguments, after `--`.
    #[arg(last = true, required = true)]
    words: Vec<OsString>,
}

/// Starts the container and holds it until it ends, or until SIGTERM; has its exit code.
#[must_use]
pub fn hold(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(held(args)),
        Err(error) => Err(error.into()),
    };
    ExitCode::from(ended.unwrap_or_else(|error| {
        eprintln!("container: {error:#}");
        CANNOT_START
    }))
}

async fn held(args: &Args) -> anyhow::Result<u8> {
    docker::reap().await?;
    let labels = docker::labels(&args.run)?.map(|(name, value)| format!("--label={name}={value}"));
    let mut words = vec!["run", "--rm"];
    words.extend(labels.iter().map(String::as_str));
    // Nothing that a Cloud Run instance could not do without.
    words.extend(["--network", "host", "--read-only", "--cap-drop", "ALL"]);
    let mut command = Command::new("docker");
    command.args(words).args(&args.words).stdin(Stdio::null());
    let mut container = command.spawn().map_err(DockerError::NoEngine)?;
    tokio::select! {
        status = container.wait() => return Ok(code(status?)),
        told = interrupted() => told?,
    }
    for container in docker::containers_of(&args.run).await? {
        // One that has ended by itself needs no end.
        let _ = docker(&["stop", "--time", GRACE_S, &container], ANSWER).await;
    }
    let status = timeout(ANSWER, container.wait()).await;
    remove(&args.run).await?;
    Ok(status.map_or(Ok(0), |status| status.map(code))?)
}

fn code(status: std::process::ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
