//! What is said to the stand-in for Cloud Run and Cloud Scheduler: JSON over HTTP, on loopback.
//!
//! | | |
//! |---|---|
//! | `PUT /v1/services/NAME` of a [`Service`] | starts or replaces it, waits until it is ready: a [`ServiceState`] |
//! | `PUT /v1/jobs/NAME` of a [`Job`] | makes or replaces it: a [`JobState`] |
//! | `GET /v1/services`, `GET /v1/jobs` | a list of them, by name |
//! | `GET`, `DELETE /v1/services/NAME`, `/v1/jobs/NAME` | one; deleting what isn't there is a 404 |
//!
//! Whatever is refused is answered with a [`Problem`]: 400 for what isn't right, 404 for what isn't there, 422 for a
//! binary that does not come up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A service as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The program, an absolute path. It is copied before it is started.
    pub binary: PathBuf,
    /// Its environment, besides `PORT`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Requests that it takes at once. Kept to be compared; the local instance is not held to it.
    pub concurrency: u32,
    /// Labels, to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A service as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name.
    pub name: String,
    /// Its URL, which stays the same for as long as the service is there.
    pub uri: String,
    /// Counts the replacements, from 1.
    pub revision: u32,
    /// The binary's SHA-256, in lowercase hex.
    pub sha256: String,
    /// Its environment, besides `PORT`.
    pub env: BTreeMap<String, String>,
    /// Requests that it takes at once.
    pub concurrency: u32,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How often this revision crashed and was started again.
    pub restarts: u32,
    /// Its process, if it runs now.
    pub pid: Option<u32>,
}

/// A job as it is wanted: a POST without a body, again and again, at most one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What is posted to, on this machine.
    pub uri: String,
    /// The period, in seconds.
    pub every_s: u32,
    /// Whether it is left alone.
    #[serde(default)]
    pub paused: bool,
    /// Labels, to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A job as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// Its name.
    pub name: String,
    /// What is posted to.
    pub uri: String,
    /// The period, in seconds.
    pub every_s: u32,
    /// Whether it is left alone.
    pub paused: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How often it has run.
    pub runs: u64,
    /// What came of the last run.
    pub last: Option<LastRun>,
}

/// What came of a job's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The HTTP status; none where there was no answer.
    pub status: Option<u16>,
    /// The start of the answer, or why there is none.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// In words.
    pub error: String,
}
