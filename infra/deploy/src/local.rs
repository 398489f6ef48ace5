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
