//! What must hold after a run: pure functions of the history and the snapshots, one file each.

mod archives_hold_the_trades;
mod candles_equal_recomputation;
mod clouds_agree;
mod dead_letters_are_the_poison;
mod faults_fired;
mod no_echo;
mod nothing_accepted_is_lost;
mod nothing_counts_twice;
mod the_other_cloud_goes_on;

use std::collections::BTreeMap;

use candle::IdRanges;
use serde::Serialize;

pub use crate::evidence::Evidence;
use crate::history;

impl Evidence {
    /// Distinct trades that any cloud accepted.
    #[must_use]
    pub fn accepted_anywhere(&self) -> usize {
        let accepted = self.accepted();
        accepted.values().map(|ids| usize::try_from(ids.count()).unwrap_or(usize::MAX)).sum()
    }

    /// By symbol, the ids of all trades that any cloud accepted.
    #[must_use]
    pub fn accepted(&self) -> BTreeMap<&str, IdRanges> {
        let mut accepted: BTreeMap<&str, IdRanges> = BTreeMap::new();
        for message in history::accepted(&self.history) {
            let ids = accepted.entry(message.symbol.as_str()).or_default();
            for (first, last) in message.ids {
                ids.insert_range(*first..=*last);
            }
        }
        accepted
    }
}

/// Result of one invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant.
    pub name: &'static str,
    /// The verdict on it.
    pub verdict: Verdict,
    /// Counts if it holds, the first offenders if not.
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
    let checks: [(&'static str, Check); 9] = [
        ("nothing accepted is lost", nothing_accepted_is_lost::check),
        ("nothing counts twice", nothing_counts_twice::check),
        ("candles equal the recomputation", candles_equal_recomputation::check),
        ("archives hold the trades", archives_hold_the_trades::check),
        ("clouds agree", clouds_agree::check),
        ("dead letters are the poison", dead_letters_are_the_poison::check),
        ("no copy is sent again", no_echo::check),
        ("the other cloud goes on", the_other_cloud_goes_on::check),
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
pub(crate) mod tests;
