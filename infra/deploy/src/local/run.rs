//! Protocol of the local replacement for Cloud Run and Cloud Scheduler: JSON over HTTP, on loopback.
//!
//! | | |
//! |---|---|
//! | `PUT /v1/services/NAME` of a [`Service`] | starts or replaces it, waits until it is ready: a [`ServiceState`] |
//! | `PUT /v1/jobs/NAME` of a [`Job`] | makes or replaces it: a [`JobState`] |
//! | `GET /v1/services`, `GET /v1/jobs` | a list of them, by name |
//! | `GET`, `DELETE /v1/services/NAME`, `/v1/jobs/NAME` | one; deleting what isn't there is a 404 |
//!
//! Errors are answered with a [`Problem`]: 400 for a bad request, 404 for a missing resource, 422 for a binary that
//! does not start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The wanted state of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The program, an absolute path. It is copied before it is started.
    pub binary: PathBuf,
    /// Its environment, besides `PORT`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The most concurrent requests. Kept for comparison; the local instance does not enforce it.
    pub concurrency: u32,
    /// Labels, to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The current state of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name.
    pub name: String,
    /// Its URL, which never changes while the service exists.
    pub uri: String,
    /// Number of replacements, from 1.
    pub revision: u32,
    /// The binary's SHA-256, in lowercase hex.
    pub sha256: String,
    /// Its environment, besides `PORT`.
    pub env: BTreeMap<String, String>,
    /// Requests that it takes at once.
    pub concurrency: u32,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Number of crashes and restarts of this revision.
    pub restarts: u32,
    /// Its process id, if it is running.
    pub pid: Option<u32>,
}

/// The wanted state of a job: repeated POSTs without a body, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The URL to post to, on this machine.
    pub uri: String,
    /// The period, in seconds.
    pub every_s: u32,
    /// True if the job is paused.
    #[serde(default)]
    pub paused: bool,
    /// Labels, to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The current state of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// Its name.
    pub name: String,
    /// The URL to post to.
    pub uri: String,
    /// The period, in seconds.
    pub every_s: u32,
    /// True if the job is paused.
    pub paused: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Number of runs.
    pub runs: u64,
    /// The result of the last run.
    pub last: Option<LastRun>,
}

/// The result of a job's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The start of the answer, or the reason why there is none.
    pub answer: String,
    /// Duration, in milliseconds.
    pub took_ms: u64,
}

/// The reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The message.
    pub error: String,
}
