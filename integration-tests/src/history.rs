//! What happened in a run, one JSON object a line, in the order in which it happened.
//!
//! The verdict is given from this file and the snapshots alone, so it can be recomputed from the run's folder.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// One of the two clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudName {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
}

impl CloudName {
    /// `aws` or `gcp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
        }
    }
}

impl std::fmt::Display for CloudName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// `processes` or `sim`.
        target: String,
        /// Where the trades come from, as `--trades` takes it.
        trades: String,
        /// The generator's seed, and that of everything random in the harness.
        seed: u64,
    },
    /// A cloud takes messages.
    CloudReady {
        /// Which one.
        cloud: CloudName,
    },
    /// The first message is on its way to a cloud's queue.
    PublishStarted {
        /// To which one.
        cloud: CloudName,
    },
    /// A message of trades was accepted by a cloud's queue.
    Accepted {
        /// By which one.
        cloud: CloudName,
        /// The number of the message in this run, the same for both clouds.
        message: usize,
        /// The queue's name for it.
        message_id: String,
        /// Its symbol.
        symbol: String,
        /// The trade ids in it, in order of the message.
        trade_ids: Vec<u64>,
    },
    /// A message that no function can decode was accepted by a cloud's queue.
    PoisonAccepted {
        /// By which one.
        cloud: CloudName,
        /// Its content.
        body: String,
    },
    /// A publish did not succeed; it is tried again.
    PublishFailed {
        /// By which cloud.
        cloud: CloudName,
        /// What the client said.
        error: String,
    },
    /// A fault took effect.
    FaultFired {
        /// Where.
        cloud: CloudName,
        /// Which, such as `kill_function`.
        fault: String,
        /// What it hit, such as a process id.
        detail: String,
    },
    /// A process that had died was started again.
    Restarted {
        /// Where.
        cloud: CloudName,
        /// Its name.
        process: String,
    },
    /// All trades are in the candles of a cloud.
    CandlesComplete {
        /// Which cloud.
        cloud: CloudName,
    },
    /// A cloud came to rest: its candles are complete, and all poison is in its dead-letter queue.
    Converged {
        /// Which cloud.
        cloud: CloudName,
    },
    /// A cloud did not come to rest in time; what is missing was last seen so.
    NotConverged {
        /// Which cloud.
        cloud: CloudName,
        /// What was waited for.
        detail: String,
    },
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the run began; virtual ones in `sim`.
    pub at_us: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Writes events as they happen; clones write to the same file.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// `None` before the clouds are started.
    start: Option<Instant>,
    entries: Vec<Entry>,
    file: BufWriter<File>,
}

impl History {
    /// Starts a history at `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let inner = Inner { start: None, entries: Vec::new(), file };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Time counts from here, on the clock of the runtime that this is called in.
    pub fn begin(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).start = Some(Instant::now());
    }

    /// Records that something happened now.
    pub fn record(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = inner.start.map_or(Duration::ZERO, |start| start.elapsed());
        let at_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let entry = Entry { at_us, event };
        // A full disk must not end a run that is under way; `finish` reports it.
        if let Ok(line) = serde_json::to_string(&entry) {
            let _ = writeln!(inner.file, "{line}");
        }
        inner.entries.push(entry);
    }

    /// Messages that a queue took so far, counted once for each cloud.
    #[must_use]
    pub fn accepted(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = |entry: &&Entry| {
            matches!(entry.event, Event::Accepted { .. } | Event::PoisonAccepted { .. })
        };
        inner.entries.iter().filter(accepted).count()
    }

    /// Completes the file and gives out the entries.
    pub fn finish(&self) -> io::Result<Vec<Entry>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.file.flush()?;
        inner.file.get_ref().sync_data()?;
        Ok(inner.entries.clone())
    }
}
