//! A service as a container of the very image that is deployed.
//!
//! The engine owns a container, so the guard can't end it as it ends a process. What the guard starts in its place is
//! `harness container`: it starts the container, lives as long as it does, and takes it along when it is told to end. The
//! container bears two labels: the run that it belongs to, and this *holder*. If even the holder is killed, the next one
//! removes what it left.

use std::ffi::OsString;
use std::fs;
use std::process::{ExitCode, Output, Stdio};
use std::time::Duration;

use infra::package::image::ImageReference;
use tokio::process::Command;
use tokio::time::timeout;

use crate::run::interrupted;

/// The label that names the run.
pub const RUN: &str = "twincloud.run";
/// The label that names who holds the container.
const HOLDER: &str = "twincloud.holder";

/// The engine's own variables, and where it keeps its logins.
const ENGINE_VARIABLES: [&str; 7] = [
    "HOME",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
];
/// How long the engine may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
const PULL: Duration = Duration::from_mins(5);
/// Between SIGTERM and SIGKILL of a container, in seconds; the holder's own grace is longer.
const GRACE_S: &str = "2";
/// What the guard grants the holder.
pub(super) const HOLDER_GRACE: Duration = Duration::from_secs(15);
/// The exit code where the engine can't be run, as a shell has it.
const CANNOT_START: u8 = 127;

/// Why the engine did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// There is no engine.
    #[error("run docker: {0}; install Docker, or run the program itself: leave --gcp-image out")]
    NoEngine(std::io::Error),
    /// The engine does not answer.
    #[error(
        "docker {action}: no answer within {limit_s} s; is its engine running? `docker version` says"
    )]
    TooSlow {
        /// What it was to do.
        action: String,
        /// The bound.
        limit_s: u64,
    },
    /// The engine refused.
    #[error("docker {action}: {problem}")]
    Refused {
        /// What it was to do.
        action: String,
        /// What it said.
        problem: String,
    },
}

/// Has the engine pull the image, unless it has it.
pub async fn ensure_image(image: &ImageReference) -> Result<(), ContainerError> {
    let image = image.to_string();
    docker(&["version", "--format", "{{.Server.Version}}"], ANSWER).await?;
    if docker(&["image", "inspect", "--format", "{{.Id}}", &image], ANSWER).await.is_ok() {
        return Ok(());
    }
    docker(&["pull", "--quiet", &image], PULL).await.map(drop)
}

/// Kills the run's container with SIGKILL, if there is one now, and says which it was.
pub async fn kill(run: &str) -> Option<String> {
    let container = of_run(run).await.ok()?.into_iter().next()?;
    docker(&["kill", "--signal", "KILL", &container], ANSWER).await.ok().map(|_| container)
}

/// Removes what containers the run may have left.
pub async fn remove(run: &str) -> Result<(), ContainerError> {
    for container in of_run(run).await? {
        remove_one(&container).await?;
    }
    Ok(())
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
    remove_orphans().await?;
    let run = format!("{RUN}={}", args.run);
    let holder = format!("{HOLDER}={}", Holder::own()?);
    let mut words = vec!["run", "--rm", "--label", &run, "--label", &holder];
    // Nothing that a Cloud Run instance could not do without.
    words.extend(["--network", "host", "--read-only", "--cap-drop", "ALL"]);
    let mut command = Command::new("docker");
    command.args(words).args(&args.words).stdin(Stdio::null());
    let mut container = command.spawn().map_err(ContainerError::NoEngine)?;
    tokio::select! {
        status = container.wait() => return Ok(code(status?)),
        told = interrupted() => told?,
    }
    for container in of_run(&args.run).await? {
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

/// Removes the containers whose holder is dead.
async fn remove_orphans() -> Result<(), ContainerError> {
    let labelled = format!("label={RUN}");
    let format = format!("{{{{.ID}}}} {{{{.Label \"{HOLDER}\"}}}}");
    let words = ["ps", "--all", "--no-trunc", "--filter", &labelled, "--format", &format];
    for line in docker(&words, ANSWER).await?.lines() {
        let Some((container, holder)) = line.split_once(' ') else { continue };
        if Holder::parse(holder).is_some_and(|holder| holder.is_dead()) {
            remove_one(container).await?;
        }
    }
    Ok(())
}

async fn remove_one(container: &str) -> Result<(), ContainerError> {
    match docker(&["rm", "--force", container], ANSWER).await {
        // It is gone, or is about to be by its own `--rm`.
        Err(ContainerError::Refused { problem, .. })
            if problem.contains("No such container") || problem.contains("already in progress") =>
        {
            Ok(())
        }
        removed => removed.map(drop),
    }
}

async fn of_run(run: &str) -> Result<Vec<String>, ContainerError> {
    let label = format!("label={RUN}={run}");
    let words = ["ps", "--all", "--quiet", "--filter", &label];
    Ok(docker(&words, ANSWER).await?.lines().map(str::to_owned).collect())
}

/// Runs the engine's command line and gives what it says.
async fn docker(words: &[&str], limit: Duration) -> Result<String, ContainerError> {
    let action = || words.join(" ");
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } = timeout(limit, command.output())
        .await
        .map_err(|_| ContainerError::TooSlow { action: action(), limit_s: limit.as_secs() })?
        .map_err(ContainerError::NoEngine)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let problem = String::from_utf8_lossy(&stderr).trim().to_owned();
    Err(ContainerError::Refused { action: action(), problem })
}

/// The engine's variables of this process, for a process that sees only what it is given.
pub(super) fn engine_variables() -> impl Iterator<Item = (&'static str, OsString)> {
    ENGINE_VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// A process, told from a later one of the same number by when it was started, and from one elsewhere by its namespace.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    namespace: String,
    pid: u32,
    started: String,
}

impl Holder {
    fn own() -> std::io::Result<Self> {
        let pid = std::process::id();
        let started = started(pid).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Self { namespace: namespace()?, pid, started })
    }

    fn parse(text: &str) -> Option<Self> {
        let [namespace, pid, started] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { namespace: namespace.into(), pid: pid.parse().ok()?, started: started.into() })
    }

    /// Of a process elsewhere, in a container that shares the engine, nobody here knows.
    fn is_dead(&self) -> bool {
        namespace().is_ok_and(|own| own == self.namespace)
            && started(self.pid).as_ref() != Some(&self.started)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.pid, self.started)
    }
}

fn namespace() -> std::io::Result<String> {
    Ok(fs::read_link("/proc/self/ns/pid")?.display().to_string())
}

/// In ticks since the boot: the 22nd field of the process's `stat`; the name before may have spaces.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_alive_until_its_number_is_anothers() {
        let own = Holder::own().expect("this process has a stat");
        let read = Holder::parse(&own.to_string()).expect("it reads back");
        assert_eq!(read, own);
        assert!(!own.is_dead());
        assert!(Holder { started: "1".to_owned(), ..read }.is_dead());
        let elsewhere = Holder { namespace: "pid:[0]".to_owned(), pid: 1, started: "0".to_owned() };
        assert!(!elsewhere.is_dead(), "nobody here knows");
    }
}
