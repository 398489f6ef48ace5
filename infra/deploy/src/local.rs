//! The local clouds of `cargo xtask up`: the file with their state, and how it is found.
//!
//! The harness runs the clouds and writes the state; a deploy reads it and does not depend on the harness.

pub mod run;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::google;

/// Endpoints of the local clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalClouds {
    /// The process that holds them: they live as long as it does.
    pub pid: u32,
    /// AWS, as a URL.
    pub aws_endpoint: String,
    /// Pub/Sub, as a URL.
    pub pubsub_endpoint: String,
    /// Firestore, as a URL.
    pub firestore_endpoint: String,
    /// Cloud Storage, as a URL.
    pub storage_endpoint: String,
    /// The local replacement for Cloud Run and Cloud Scheduler, as a URL; see [`run`].
    pub run_endpoint: String,
    /// True if AWS's emulator enforces roles and policies.
    pub enforces_policies: bool,
}

/// The reason why there are no local clouds to deploy to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No local clouds are running.
    #[error("no local clouds are running; start them with `cargo xtask up`")]
    NotRunning,
    /// The state exists but can't be read.
    #[error("read {}: {problem}; stop the local clouds with `cargo xtask down`, then start them with `cargo xtask up`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        problem: String,
    },
}

impl LocalClouds {
    /// The folder of the local clouds of the checkout at `root`.
    #[must_use]
    pub fn folder(root: &Path) -> PathBuf {
        root.join("target/local-clouds")
    }

    /// The file that holds this state.
    #[must_use]
    pub fn state_file(root: &Path) -> PathBuf {
        Self::folder(root).join("state.json")
    }

    /// The local clouds of the checkout at `root`; state left by a killed process is ignored.
    pub fn find(root: &Path) -> Result<Self, Error> {
        let path = Self::state_file(root);
        let unreadable = |problem: String| Error::Unreadable { path: path.clone(), problem };
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotRunning);
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        // The process id first: state of another version, which may not parse, does not matter once its process has ended.
        let pid: Pid =
            serde_json::from_slice(&content).map_err(|error| unreadable(error.to_string()))?;
        if !holds_clouds(pid.pid) {
            return Err(Error::NotRunning);
        }
        serde_json::from_slice(&content).map_err(|error| unreadable(error.to_string()))
    }

    /// Writes the state for [`find`](Self::find). By rename, so that readers never see a part of it; readable by this
    /// user only, since the endpoint of [`run`] can start any program as this user.
    pub fn publish(&self, root: &Path) -> std::io::Result<()> {
        let new = Self::folder(root).join(".state.json");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(new, Self::state_file(root))
    }

    /// The endpoints of Google's side, for [`google`].
    #[must_use]
    pub fn google(&self) -> google::Endpoints {
        google::Endpoints {
            pubsub: self.pubsub_endpoint.clone(),
            firestore: self.firestore_endpoint.clone(),
            storage: self.storage_endpoint.clone(),
            run: self.run_endpoint.clone(),
        }
    }

    /// The variables that direct AWS's, Google's and this project's own tools to the local clouds.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.google().variables();
        variables.extend(
            [
                ("AWS_ENDPOINT_URL", self.aws_endpoint.as_str()),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        variables
    }
}

#[derive(Deserialize)]
struct Pid {
    pid: u32,
}

/// The argument that distinguishes the process with the clouds from a later one with the same id.
pub const HOLDER: &str = "serve";

/// True if a process is alive, not a zombie, and runs the clouds.
fn holds_clouds(pid: u32) -> bool {
    // A zombie has no command line.
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).skip(1).any(|word| word == HOLDER.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn clouds(pid: u32) -> LocalClouds {
        let at = |port| format!("http://127.0.0.1:{port}");
        LocalClouds {
            pid,
            aws_endpoint: at(1),
            pubsub_endpoint: at(2),
            firestore_endpoint: at(3),
            storage_endpoint: at(4),
            run_endpoint: at(5),
            enforces_policies: false,
        }
    }

    #[test]
    fn only_those_whose_holder_lives_are_found() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let find = || LocalClouds::find(root.path());
        let error = find().expect_err("none were started");
        assert_eq!(
            error.to_string(),
            "no local clouds are running; start them with `cargo xtask up`"
        );

        fs::create_dir_all(LocalClouds::folder(root.path())).expect("create");
        // This process is alive, but runs no clouds.
        clouds(std::process::id()).publish(root.path()).expect("publish");
        assert!(matches!(find(), Err(Error::NotRunning)));

        let mut holder = Command::new("sh")
            .args(["-c", "read -r line; true", HOLDER])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("start");
        // A process has no command line for a moment during exec.
        while !holds_clouds(holder.id()) {
            assert!(holder.try_wait().expect("wait").is_none(), "it waits for a line");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let there = clouds(holder.id());
        there.publish(root.path()).expect("publish");
        assert_eq!(find().expect("they are there"), there);

        fs::write(LocalClouds::state_file(root.path()), format!("{{\"pid\":{}}}", holder.id()))
            .expect("write");
        let error = find().expect_err("written by another version");
        assert!(error.to_string().contains("cargo xtask down"), "{error}");

        there.publish(root.path()).expect("publish");
        holder.kill().expect("kill");
        holder.wait().expect("wait");
        assert!(matches!(find(), Err(Error::NotRunning)));
    }

    #[test]
    fn the_variables_are_those_of_each_tool() {
        let variables = clouds(1).variables();
        assert_eq!(variables["AWS_ENDPOINT_URL"], "http://127.0.0.1:1");
        assert_eq!(variables["PUBSUB_EMULATOR_HOST"], "127.0.0.1:2");
        assert_eq!(variables["FIRESTORE_EMULATOR_HOST"], "127.0.0.1:3");
        assert_eq!(variables["STORAGE_EMULATOR_HOST"], "http://127.0.0.1:4");
        assert_eq!(variables["TWINCLOUD_LOCAL_RUN"], "http://127.0.0.1:5");
    }
}
