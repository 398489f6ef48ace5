//! What a run came to: for people as a table, for scripts as `report.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::history::{CloudName, Entry, Event};
use crate::invariants::{Evidence, Finding, Verdict};

/// `report.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `holds` if every invariant does.
    pub verdict: Verdict,
    /// `processes` or `sim`.
    pub target: String,
    /// The image that the Cloud Run service was a container of; without, the packed program itself was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp_image: Option<String>,
    /// What the verdict does not cover, if anything.
    pub note: Option<String>,
    /// Of the generator, and of everything random in the harness.
    pub seed: u64,
    /// From the start of the clouds to the verdict.
    pub duration_ms: u64,
    /// Trades of the run.
    pub trades: Trades,
    /// Both clouds.
    pub clouds: BTreeMap<CloudName, Cloud>,
    /// Each invariant.
    pub invariants: Vec<Finding>,
    /// What gives the same run again.
    pub reproduce: String,
}

/// Counts of trades.
#[derive(Debug, Serialize)]
pub struct Trades {
    /// Sent, duplicates too.
    pub published: usize,
    /// Distinct ones that a cloud's queue took.
    pub accepted: usize,
    /// Distinct ones sent.
    pub unique: usize,
}

/// One cloud after the run.
#[derive(Debug, Serialize)]
pub struct Cloud {
    /// One-minute candles.
    pub candles: usize,
    /// Objects in the archive.
    pub archive_objects: usize,
    /// Messages in the dead-letter queue.
    pub dead_letters: usize,
    /// SHA-256 of the cloud's `candles-….jsonl`.
    pub digest: String,
    /// From the first publish to the last trade in its candle.
    pub complete_ms: Option<u64>,
    /// Published trades a second over that time.
    pub trades_per_s: Option<u64>,
}

impl Cloud {
    /// What `cloud` came to.
    #[must_use]
    pub fn of(cloud: CloudName, evidence: &Evidence, published: usize) -> Self {
        let snapshot = evidence.snapshots.get(&cloud).cloned().unwrap_or_default();
        let minutes = snapshot.candles.iter().filter(|c| c.key().interval == candle::Interval::M1);
        let complete_us = complete_us(cloud, &evidence.history);
        let per_second = |us: u64| published as u64 * 1_000_000 / us.max(1);
        Self {
            candles: minutes.count(),
            archive_objects: snapshot.archive.len(),
            dead_letters: snapshot.dead_letters.len(),
            digest: snapshot.digest(),
            complete_ms: complete_us.map(|us| us / 1000),
            trades_per_s: complete_us.map(per_second),
        }
    }
}

fn complete_us(cloud: CloudName, history: &[Entry]) -> Option<u64> {
    let at = |wanted: fn(&Event, CloudName) -> bool| {
        history.iter().find(|entry| wanted(&entry.event, cloud)).map(|entry| entry.at_us)
    };
    let published =
        at(|event, wanted| matches!(event, Event::PublishStarted { cloud } if *cloud == wanted))?;
    let complete =
        at(|event, wanted| matches!(event, Event::CandlesComplete { cloud } if *cloud == wanted))?;
    Some(complete.saturating_sub(published))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trades { published, accepted, unique } = self.trades;
        writeln!(f, "trades     {published} published, {accepted} accepted, {unique} unique")?;
        for (name, cloud) in &self.clouds {
            let Cloud { candles, archive_objects, dead_letters, digest, .. } = cloud;
            write!(
                f,
                "{name:<10} {candles} one-minute candles, {archive_objects} archive objects, "
            )?;
            writeln!(
                f,
                "{dead_letters} dead letters, digest {}",
                digest.get(..12).unwrap_or(digest)
            )?;
            if let (Some(ms), Some(rate)) = (cloud.complete_ms, cloud.trades_per_s) {
                writeln!(f, "           last trade in its candle after {ms} ms: {rate} trades/s")?;
            }
        }
        for finding in &self.invariants {
            let mark = if finding.verdict == Verdict::Holds { "holds " } else { "BROKEN" };
            writeln!(f, "{mark}     {}: {}", finding.name, finding.detail)?;
        }
        if let Some(image) = &self.gcp_image {
            writeln!(f, "image      {image}")?;
        }
        if let Some(note) = &self.note {
            writeln!(f, "note       {note}")?;
        }
        match self.verdict {
            Verdict::Holds => {
                write!(f, "verdict    holds, in {} ms on {}", self.duration_ms, self.target)
            }
            Verdict::Broken => {
                writeln!(f, "verdict    BROKEN, in {} ms on {}", self.duration_ms, self.target)?;
                write!(f, "reproduce  {}", self.reproduce)
            }
        }
    }
}
