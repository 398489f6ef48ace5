//! What a verdict is given from: the files of a run's folder, and nothing else.
//!
//! A run writes them, reads them again, and gives its verdict from what it has read, so `cargo xtask verify FOLDER` can
//! only come to the same.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use args::Target;
use candle::Interval;
use serde::{Deserialize, Serialize};

use crate::history::{CloudId, Entry};
use crate::recompute::{self, PublishedTrades};
use crate::run_files::{lines, text, write};
use crate::snapshot::Snapshot;

/// Names of the files.
const ABOUT: &str = "run.json";
const HISTORY: &str = "history.jsonl";
const TRADES: &str = "trades.jsonl";
const EXPECTED: &str = "candles-expected.csv";

/// Description of a run: `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Of this file and those beside it.
    pub schema: u32,
    /// The scenario; none in `e2e`.
    pub scenario: Option<String>,
    /// `processes`, `containers`, `sim`, `cloud` or `up`.
    pub target: String,
    /// The image that the Cloud Run service was a container of.
    pub gcp_image: Option<String>,
    /// Limits of the verdict, if any.
    pub note: Option<String>,
    /// Of the generator, and of everything random in the harness.
    pub seed: u64,
    /// The lines of the recording; none if trades were made up, and in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<producer::Counts>,
    /// The candles that the functions keep.
    pub intervals: Vec<String>,
    /// Faults that must have fired, at least.
    pub faults_asked: usize,
    /// From the start of the clouds until both were read.
    pub duration_ms: u64,
    /// Command that repeats the run.
    pub reproduce: String,
}

impl About {
    /// The version that is written and read.
    pub const SCHEMA: u32 = 2;

    /// Of a run without a name, an image, a note or a fault; what is known only later is empty.
    #[must_use]
    pub fn new(target: Target, seed: u64) -> Self {
        Self {
            schema: Self::SCHEMA,
            scenario: None,
            target: target.to_string(),
            gcp_image: None,
            note: None,
            seed,
            recording: None,
            intervals: Vec::new(),
            faults_asked: 0,
            duration_ms: 0,
            reproduce: String::new(),
        }
    }
}

/// Everything that a verdict is given from.
#[derive(Debug)]
pub struct Evidence {
    /// Description of the run.
    pub about: About,
    /// The entries of the history.
    pub history: Vec<Entry>,
    /// Trades that were published, duplicates too.
    pub frames: usize,
    /// The distinct ones, parsed by [`crate::recompute`].
    pub published: PublishedTrades,
    /// The candle intervals of the deployment.
    pub intervals: Vec<Interval>,
    /// Content of each cloud.
    pub snapshots: BTreeMap<CloudId, Snapshot>,
}

impl Evidence {
    /// Writes what isn't written while a run goes on; the history is, and so are the trades.
    pub fn write(
        dir: &Path,
        about: &About,
        snapshots: &BTreeMap<CloudId, Snapshot>,
    ) -> anyhow::Result<()> {
        let about = serde_json::to_string_pretty(about).context("write run.json")?;
        write(dir, ABOUT, &format!("{about}\n"))?;
        for (cloud, snapshot) in snapshots {
            snapshot.write(dir, *cloud)?;
        }
        Ok(())
    }

    /// Reads a run's folder, and leaves the expected candles in it.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let about: About = serde_json::from_str(&text(dir, ABOUT)?)
            .with_context(|| format!("read {}", dir.join(ABOUT).display()))?;
        anyhow::ensure!(
            about.schema == About::SCHEMA,
            "{}: schema {}, where only {} is known; use the version that made the run",
            dir.join(ABOUT).display(),
            about.schema,
            About::SCHEMA
        );
        let frames = text(dir, TRADES)?;
        let published = recompute::parse(&frames);
        let published =
            published.with_context(|| format!("read {}", dir.join(TRADES).display()))?;
        write(dir, EXPECTED, &recompute::candles_csv(&published, Interval::M1.duration_ms()))?;
        let intervals = about.intervals.iter().map(|text| text.parse());
        let intervals = intervals.collect::<Result<_, _>>().context("read the intervals")?;
        let mut snapshots = BTreeMap::new();
        for cloud in [CloudId::Aws, CloudId::Gcp] {
            let snapshot = Snapshot::read(dir, cloud);
            snapshots.insert(cloud, snapshot.with_context(|| format!("read what {cloud} held"))?);
        }
        Ok(Self {
            history: lines(dir, HISTORY)?,
            frames: frames.lines().count(),
            about,
            published,
            intervals,
            snapshots,
        })
    }
}
