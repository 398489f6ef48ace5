//! The container engine: its command line, and what keeps containers from outliving who started them.
//!
//! The engine owns a container, so it survives its starter. Objects made here bear two labels: the run that they belong
//! to, and their *holder*, a process. [`reap`] removes what dead holders have left.

use std::ffi::OsString;
use std::fs;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The label that names the run.
pub const RUN: &str = "twincloud.run";
/// The label that names who holds it.
pub const HOLDER: &str = "twincloud.holder";

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
/// Timeout for one answer of the engine.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
const PULL: Duration = Duration::from_mins(5);
/// Messages of the engine about an object that is gone, or about to be by its own `--rm`.
const GONE: [&str; 5] =
    ["No such container", "already in progress", "No such network", "not found", "No such image"];

/// Why the engine did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// There is no engine.
    #[error("run docker: {0}; install Docker: `cargo xtask doctor` says how")]
    NoEngine(std::io::Error),
    /// The engine does not answer.
    #[error(
        "docker {action}: no answer within {limit_s} s; is its engine running? `docker version` says"
    )]
    TooSlow {
        /// The engine's operation.
        action: String,
        /// The bound.
        limit_s: u64,
    },
    /// The engine refused.
    #[error("docker {action}: {problem}")]
    Refused {
        /// The engine's operation.
        action: String,
        /// The engine's message.
        problem: String,
    },
}

impl DockerError {
    /// True if the object to be removed or inspected does not exist.
    fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if GONE.iter().any(|gone| problem.contains(gone)))
    }
}

/// Runs the engine's command line and gives what it says.
pub(crate) async fn docker(words: &[&str], limit: Duration) -> Result<String, DockerError> {
    let action = || words.join(" ");
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } = timeout(limit, command.output())
        .await
        .map_err(|_| DockerError::TooSlow { action: action(), limit_s: limit.as_secs() })?
        .map_err(DockerError::NoEngine)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let problem = String::from_utf8_lossy(&stderr).trim().to_owned();
    Err(DockerError::Refused { action: action(), problem })
}

/// The engine's version, if it answers.
pub async fn version() -> Result<String, DockerError> {
    let said = docker(&["version", "--format", "{{.Server.Version}}"], ANSWER).await?;
    Ok(said.trim().to_owned())
}

/// A label of an image, if the engine has the image; empty if it has no such label.
pub(crate) async fn image_label(image: &str, label: &str) -> Result<Option<String>, DockerError> {
    let format = format!("{{{{with .Config.Labels}}}}{{{{index . \"{label}\"}}}}{{{{end}}}}");
    match docker(&["image", "inspect", "--format", &format, image], ANSWER).await {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has the engine pull the image, unless it has it.
pub async fn ensure_image(image: &str) -> Result<(), DockerError> {
    version().await?;
    if docker(&["image", "inspect", "--format", "{{.Id}}", image], ANSWER).await.is_ok() {
        return Ok(());
    }
    docker(&["pull", "--quiet", image], PULL).await.map(drop)
}

/// The labels of what this process holds for a run.
pub(crate) fn labels(run: &str) -> std::io::Result<[(&'static str, String); 2]> {
    Ok([(RUN, run.to_owned()), (HOLDER, Holder::own()?.to_string())])
}

/// Removes the containers and the networks whose holder is dead, and says which.
pub async fn reap() -> Result<Vec<String>, DockerError> {
    let mut removed = Vec::new();
    for kind in Kind::ALL {
        let format = format!("{{{{.ID}}}} {{{{.Label \"{HOLDER}\"}}}}");
        for line in kind.list(RUN, &format).await?.lines() {
            let Some((id, holder)) = line.split_once(' ') else { continue };
            if Holder::parse(holder).is_some_and(|holder| holder.is_dead()) {
                kind.remove(id).await?;
                removed.push(format!("{kind} {id}"));
            }
        }
    }
    Ok(removed)
}

/// Removes what containers and networks a run may have left.
pub async fn remove_run(run: &str) -> Result<(), DockerError> {
    for kind in Kind::ALL {
        for id in kind.list(&format!("{RUN}={run}"), "{{.ID}}").await?.lines() {
            kind.remove(id).await?;
        }
    }
    Ok(())
}

/// The containers of a run, those that have ended as well.
pub(crate) async fn containers_of(run: &str) -> Result<Vec<String>, DockerError> {
    let listed = Kind::Container.list(&format!("{RUN}={run}"), "{{.ID}}").await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Removes a container, whatever it does; one that is not there is fine.
pub(crate) async fn remove_container(id: &str) -> Result<(), DockerError> {
    Kind::Container.remove(id).await
}

/// Kinds of objects that bear labels.
#[derive(Clone, Copy)]
enum Kind {
    Container,
    Network,
}

impl Kind {
    /// In the order in which they can be removed: a network must be empty.
    const ALL: [Self; 2] = [Self::Container, Self::Network];

    async fn list(self, label: &str, format: &str) -> Result<String, DockerError> {
        let command: &[&str] = match self {
            Self::Container => &["ps", "--all"],
            Self::Network => &["network", "ls"],
        };
        let filter = format!("label={label}");
        let options = ["--no-trunc", "--filter", &filter, "--format", format];
        docker(&[command, &options].concat(), ANSWER).await
    }

    async fn remove(self, id: &str) -> Result<(), DockerError> {
        let words: &[&str] = match self {
            Self::Container => &["rm", "--force", "--volumes", id],
            Self::Network => &["network", "rm", id],
        };
        match docker(words, ANSWER).await {
            Err(error) if error.is_gone() => Ok(()),
            removed => removed.map(drop),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Network => "network",
        })
    }
}

/// The engine's variables of this process, for a process that sees only what it is given.
pub(crate) fn engine_variables() -> impl Iterator<Item = (&'static str, OsString)> {
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

    /// The state of a process elsewhere, in a container that shares the engine, is unknown here.
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
