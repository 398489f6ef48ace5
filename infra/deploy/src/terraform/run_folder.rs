//! The folder of a run: the names of its files, and the time at which the run may have taken its lock.

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

/// The greatest difference between the system's time of a file and the program's own time.
const SLACK: Duration = Duration::from_secs(1);

/// The time at which a run created its lock's content: between its first output line, and its second, which is about its work
/// or its waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    from: Timestamp,
    to: Timestamp,
}

impl Moment {
    /// From the run's folder; `None` if that has no times.
    pub(super) fn of(folder: &Path, said: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "@timestamp")]
            timestamp: String,
        }
        let at = |line: &str| serde_json::from_str::<Line>(line).ok()?.timestamp.parse().ok();
        let mut said = said.lines().filter_map(at);
        // For a run without output, only the times of its files are known.
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
