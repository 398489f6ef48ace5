//! What a run came to: for people as a table, for scripts as `report.json`.

mod html;
mod summary;

use std::collections::BTreeMap;
use std::fmt;

use producer::Counts;
use serde::Serialize;

pub use html::html;
pub use summary::{Table, junit, markdown};

use crate::history::{CloudId, Entry, Event};
use crate::invariants::{self, Evidence, Finding, Verdict};
use crate::measure::{self, FaultSpan, Lag, Recovery};

/// Name of the broken invariant of a run that left nothing to judge.
pub(crate) const ENDED: &str = "the run came to its end";

/// `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `holds` if every invariant does.
    pub verdict: Verdict,
    /// The scenario; none in `e2e`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// `processes`, `containers` or `sim`.
    pub target: String,
    /// The image that the Cloud Run service was a container of; without, the packed program itself was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp_image: Option<String>,
    /// Limits of the verdict, if any.
    pub note: Option<String>,
    /// Of the generator, and of everything random in the harness.
    pub seed: u64,
    /// From the start of the clouds until both were read.
    pub duration_ms: u64,
    /// Trades of the run.
    pub trades: Trades,
    /// The lines of the recording, by what became of them; none if trades were made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Counts>,
    /// Recovery time and point, and convergence.
    #[serde(flatten)]
    pub recovery: Recovery,
    /// Both clouds.
    pub clouds: BTreeMap<CloudId, Cloud>,
    /// Faults of the run.
    pub faults: Vec<FaultSpan>,
    /// Each invariant.
    pub invariants: Vec<Finding>,
    /// Command that repeats the run.
    pub reproduce: String,
}

impl Report {
    /// The verdict, from the evidence alone.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        let invariants = invariants::check(evidence);
        let is_broken = invariants.iter().any(|finding| finding.verdict == Verdict::Broken);
        let cloud = |name| (name, Cloud::of(name, evidence));
        let about = evidence.about.clone();
        Self {
            verdict: if is_broken { Verdict::Broken } else { Verdict::Holds },
            scenario: about.scenario,
            target: about.target,
            gcp_image: about.gcp_image,
            note: about.note,
            seed: about.seed,
            duration_ms: about.duration_ms,
            trades: Trades {
                published: evidence.frames,
                accepted: evidence.accepted_anywhere(),
                unique: evidence.published.len(),
            },
            recording: about.recording,
            recovery: measure::recovery(evidence),
            clouds: [CloudId::Aws, CloudId::Gcp].map(cloud).into(),
            faults: measure::faults(&evidence.history),
            invariants,
            reproduce: about.reproduce,
        }
    }

    /// Of a run that did not get to its end: broken.
    #[must_use]
    pub fn unfinished(scenario: &str, why: &str) -> Self {
        let finding = Finding { name: ENDED, verdict: Verdict::Broken, detail: why.to_owned() };
        Self {
            verdict: Verdict::Broken,
            scenario: Some(scenario.to_owned()),
            target: String::new(),
            gcp_image: None,
            note: None,
            seed: 0,
            duration_ms: 0,
            trades: Trades::default(),
            recording: None,
            recovery: Recovery::default(),
            clouds: BTreeMap::new(),
            faults: Vec::new(),
            invariants: vec![finding],
            reproduce: format!("cargo xtask chaos --scenario {scenario}"),
        }
    }

    /// The scenario, or `e2e`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.scenario.as_deref().unwrap_or("e2e")
    }
}

/// Counts of trades.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trades {
    /// Sent, duplicates too.
    pub published: usize,
    /// Distinct ones that a cloud's queue took.
    pub accepted: usize,
    /// Distinct ones sent.
    pub unique: usize,
}

/// One cloud after the run.
#[derive(Clone, Debug, Serialize)]
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
    /// Results of `cloud`.
    #[must_use]
    pub fn of(cloud: CloudId, evidence: &Evidence) -> Self {
        let snapshot = evidence.snapshots.get(&cloud).cloned().unwrap_or_default();
        let minutes = snapshot.candles.iter().filter(|c| c.key().interval == candle::Interval::M1);
        let complete_us = complete_us(cloud, &evidence.history);
        let per_second = |us: u64| evidence.frames as u64 * 1_000_000 / us.max(1);
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

fn complete_us(cloud: CloudId, history: &[Entry]) -> Option<u64> {
    let at = |wanted: fn(&Event, CloudId) -> bool| {
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
        if let Some(counts) = self.recording.as_ref().filter(|counts| !counts.are_all_taken()) {
            writeln!(f, "recording  {counts}")?;
        }
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
        let Recovery { rto_ms, rpo_trades, convergence_ms, replicated_trades, replication_lag } =
            self.recovery;
        if replicated_trades > 0 {
            write!(f, "copied     {replicated_trades} trades from one cloud into the other")?;
            if let Some(Lag { p50_ms, p99_ms, .. }) = replication_lag {
                write!(f, ", lag p50 {p50_ms} ms, p99 {p99_ms} ms")?;
            }
            writeln!(f)?;
        }
        if !self.faults.is_empty() {
            let shown = |ms: Option<u64>| ms.map_or("none".to_owned(), |ms| format!("{ms} ms"));
            let (rto, convergence) = (shown(rto_ms), shown(convergence_ms));
            writeln!(
                f,
                "recovery   RTO {rto}, RPO {rpo_trades} trades, convergence {convergence}"
            )?;
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
