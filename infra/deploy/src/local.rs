//! The local clouds that `cargo xtask up` started, as the file says that it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where the file is, from the root of the workspace.
const STATE: &str = "target/local-clouds/state.json";

/// Where each emulator is, as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalClouds {
    /// The process that holds them.
    pub pid: u32,
    /// All of AWS.
    pub aws_endpoint: String,
    /// Pub/Sub.
    pub pubsub_endpoint: String,
    /// Firestore.
    pub firestore_endpoint: String,
    /// Cloud Storage.
    pub storage_endpoint: String,
}

/// Why there are no local clouds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None run.
    #[error("no local clouds are running; start them with `cargo xtask up`")]
    NotRunning,
    /// The file is not what this version writes.
    #[error("read {}: {problem}; run `cargo xtask down`, then `cargo xtask up`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// What `up` leaves.
#[derive(Deserialize)]
struct State {
    pid: u32,
    endpoints: BTreeMap<String, String>,
}

impl LocalClouds {
    /// The clouds that run now, of the workspace at `root`.
    pub fn find(root: &Path) -> Result<Self, Error> {
        let path = root.join(STATE);
        let text = fs::read_to_string(&path).map_err(|_| Error::NotRunning)?;
        let unreadable = |problem: String| Error::Unreadable { path: path.clone(), problem };
        let state: State =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        // What a killed process left behind is no cloud.
        if !Path::new("/proc").join(state.pid.to_string()).exists() {
            return Err(Error::NotRunning);
        }
        let endpoint = |name: &str| {
            let host = state.endpoints.get(name);
            let host = host.ok_or_else(|| unreadable(format!("{name} is missing")))?;
            Ok(if host.contains("://") { host.clone() } else { format!("http://{host}") })
        };
        Ok(Self {
            pid: state.pid,
            aws_endpoint: endpoint("AWS_ENDPOINT_URL")?,
            pubsub_endpoint: endpoint("PUBSUB_EMULATOR_HOST")?,
            firestore_endpoint: endpoint("FIRESTORE_EMULATOR_HOST")?,
            storage_endpoint: endpoint("STORAGE_EMULATOR_HOST")?,
        })
    }
}
