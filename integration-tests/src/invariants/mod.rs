//! What must hold after a run: pure functions of the history and the snapshots, one file each.

mod archives_hold_the_trades;
mod candles_equal_recomputation;
mod clouds_agree;
mod dead_letters_are_the_poison;
mod faults_fired;
mod nothing_accepted_is_lost;
mod nothing_counts_twice;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::history::{CloudName, Entry, Event};
use crate::recompute::PublishedTrades;
use crate::snapshot::Snapshot;

/// Everything that a verdict is given from.
#[derive(Debug)]
pub struct Evidence {
    /// What happened.
    pub history: Vec<Entry>,
    /// The distinct trades that were published, parsed by [`crate::recompute`].
    pub published: PublishedTrades,
    /// The candle intervals of the deployment: name and duration in milliseconds.
    pub intervals: Vec<candle::Interval>,
    /// What each cloud holds.
    pub snapshots: BTreeMap<CloudName, Snapshot>,
    /// Faults that the run was asked for.
    pub faults_asked: usize,
}

impl Evidence {
    /// Distinct trades that any cloud accepted.
    #[must_use]
    pub fn accepted_anywhere(&self) -> usize {
        let mut accepted = self.accepted(CloudName::Aws);
        accepted.extend(self.accepted(CloudName::Gcp));
        accepted.len()
    }

    /// Symbol and id of every trade that `cloud` accepted.
    fn accepted(&self, cloud: CloudName) -> BTreeSet<(&str, u64)> {
        let mut trades = BTreeSet::new();
        for entry in &self.history {
            match &entry.event {
                Event::Accepted { cloud: by, symbol, trade_ids, .. } if *by == cloud => {
                    trades.extend(trade_ids.iter().map(|id| (symbol.as_str(), *id)));
                }
                _ => {}
            }
        }
        trades
    }
}

/// Whether an invariant holds, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant.
    pub name: &'static str,
    /// The verdict on it.
    pub verdict: Verdict,
    /// What was seen: counts if it holds, the first offenders if not.
    pub detail: String,
}

/// The verdict on an invariant, or on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It is broken.
    Broken,
}

/// Checks all invariants.
#[must_use]
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    type Check = fn(&Evidence) -> Result<String, String>;
    let checks: [(&'static str, Check); 7] = [
        ("nothing accepted is lost", nothing_accepted_is_lost::check),
        ("nothing counts twice", nothing_counts_twice::check),
        ("candles equal the recomputation", candles_equal_recomputation::check),
        ("archives hold the trades", archives_hold_the_trades::check),
        ("clouds agree", clouds_agree::check),
        ("dead letters are the poison", dead_letters_are_the_poison::check),
        ("faults fired", faults_fired::check),
    ];
    let find = |(name, check): (&'static str, Check)| match check(evidence) {
        Ok(detail) => Finding { name, verdict: Verdict::Holds, detail },
        Err(detail) => Finding { name, verdict: Verdict::Broken, detail },
    };
    checks.into_iter().map(find).collect()
}

/// The first few of many, for a detail that a person reads.
fn sample<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 5;
    let mut items = items.into_iter();
    let shown: Vec<String> = items.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    match items.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
