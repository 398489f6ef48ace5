//! The folder of a run: the names of its files, and when the run may have taken its lock.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;

/// Names of the files in a run's folder.
pub(super) const PROCESS: &str = "process.json";
pub(super) const STDOUT: &str = "stdout";
pub(super) const STDERR: &str = "stderr";
pub(super) const LOG: &str = "log";

/// The most that the system's time of a file may differ from the one that the program wrote.
const SLACK: Duration = Duration::from_secs(1);

/// When a run made up what it writes into its lock: after its first line, and before its second, which is about its work or its
/// waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    from: Timestamp,
    to: Timestamp,
}

impl Moment {
    /// Of the run that has this folder; none where there is nothing to tell it by.
    pub(super) fn of(folder: &Path, said: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "@timestamp")]
            timestamp: String,
        }
        let at = |line: &str| serde_json::from_str::<Line>(line).ok()?.timestamp.parse().ok();
        let mut said = said.lines().filter_map(at);
        // A run that said nothing has only its files to tell when it was.
        let begun = || modified(&folder.join(PROCESS))?.checked_sub(SLACK).ok();
        let over = || {
            let files = [STDOUT, STDERR, LOG];
            let last = files.iter().filter_map(|name| modified(&folder.join(name))).max()?;
            last.checked_add(SLACK).ok()
        };
        let from = said.next().or_else(begun)?;
        let to = said.next().or_else(over)?;
        Some(Self { from, to })
    }

    pub(super) fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }
}

fn modified(path: &Path) -> Option<Timestamp> {
    let modified: SystemTime = fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}
