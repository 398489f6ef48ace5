//! Every trade that any queue accepted is in the candles of both clouds, in every interval.

use candle::IdRanges;

use super::{Evidence, sample};

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let accepted = evidence.accepted();
    if accepted.is_empty() {
        return Err("no trade was accepted".to_owned());
    }
    for (cloud, snapshot) in &evidence.snapshots {
        for interval in &evidence.intervals {
            let held = snapshot.held(*interval);
            let lost: Vec<(&str, IdRanges)> = accepted
                .iter()
                .map(|(symbol, ids)| {
                    let held = held.get(*symbol).cloned().unwrap_or_default();
                    (*symbol, ids.difference(&held))
                })
                .filter(|(_, lost)| !lost.is_empty())
                .collect();
            if !lost.is_empty() {
                let count: u64 = lost.iter().map(|(_, ids)| ids.count()).sum();
                let ranges = lost.iter().flat_map(|(symbol, ids)| {
                    ids.ranges().map(move |ids| format!("{symbol} {}-{}", ids.start(), ids.end()))
                });
                return Err(format!(
                    "{cloud}: {count} trades are in no {interval} candle: {}",
                    sample(ranges)
                ));
            }
        }
    }
    Ok(format!("{} accepted trades are in both clouds", evidence.accepted_anywhere()))
}
