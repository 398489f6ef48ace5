//! The whole state of a cloud after a run, and the files it is left in.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use candle::{Candle, Interval, csv, table};
use serde_json::json;
use toolbox::verify::sha256;

use crate::history::CloudName;

/// What a cloud holds.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Candles of all intervals.
    pub candles: Vec<Candle>,
    /// Archive objects: name and content, by name.
    pub archive: Vec<(String, Bytes)>,
    /// Bodies of the dead letters.
    pub dead_letters: Vec<Bytes>,
}

impl Snapshot {
    /// All candles in their canonical form, one a line, in order of their keys.
    #[must_use]
    pub fn canonical(&self) -> String {
        table::canonical(&self.candles)
    }

    /// SHA-256 of [`Self::canonical`] in hex: what `sha256sum candles-CLOUD.jsonl` prints.
    #[must_use]
    pub fn digest(&self) -> String {
        table::digest(&self.candles)
    }

    /// The candles of an interval as CSV with a header, by symbol and open time.
    #[must_use]
    pub fn csv(&self, interval: Interval) -> String {
        let mut candles: Vec<_> =
            self.candles.iter().filter(|candle| candle.key().interval == interval).collect();
        candles.sort_by_key(|candle| (candle.key().symbol.clone(), candle.key().open_time_ms));
        csv::table(candles)
    }

    /// Leaves the state in `dir`: `candles-CLOUD.csv` (one minute), `candles-CLOUD.jsonl` (all),
    /// `archive-CLOUD.jsonl` (names, sizes, hashes) and `dead-letters-CLOUD.jsonl`.
    pub fn write(&self, dir: &Path, cloud: CloudName) -> anyhow::Result<()> {
        let archive = self.archive.iter().map(
            |(name, bytes)| json!({"name": name, "bytes": bytes.len(), "sha256": sha256(bytes)}),
        );
        let dead_letters =
            self.dead_letters.iter().map(|body| json!({"body": String::from_utf8_lossy(body)}));
        write(dir, &format!("candles-{cloud}.csv"), &self.csv(Interval::M1))?;
        write(dir, &format!("candles-{cloud}.jsonl"), &self.canonical())?;
        write(dir, &format!("archive-{cloud}.jsonl"), &lines(archive))?;
        write(dir, &format!("dead-letters-{cloud}.jsonl"), &lines(dead_letters))
    }
}

/// Writes a file of a run.
pub fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn lines(values: impl Iterator<Item = serde_json::Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}
