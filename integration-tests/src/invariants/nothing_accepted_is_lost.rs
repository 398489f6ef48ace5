//! Every trade that any queue accepted is in the candles of both clouds, in every interval.

use std::collections::BTreeMap;

use candle::{IdRanges, Interval};

use super::{Evidence, sample};
use crate::history::CloudName;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut accepted = evidence.accepted(CloudName::Aws);
    accepted.extend(evidence.accepted(CloudName::Gcp));
    if accepted.is_empty() {
        return Err("no trade was accepted".to_owned());
    }
    for (cloud, snapshot) in &evidence.snapshots {
        for interval in &evidence.intervals {
            let mut held: BTreeMap<&str, IdRanges> = BTreeMap::new();
            for candle in snapshot.candles.iter().filter(|c| c.key().interval == *interval) {
                let ids = held.entry(candle.key().symbol.as_str()).or_default();
                *ids = ids.union(candle.ids());
            }
            let lost = accepted
                .iter()
                .filter(|(symbol, id)| !held.get(symbol).is_some_and(|ids| ids.contains(*id)));
            let lost: Vec<String> = lost.map(|(symbol, id)| format!("{symbol} {id}")).collect();
            if !lost.is_empty() {
                return Err(lost_detail(*cloud, *interval, &lost));
            }
        }
    }
    Ok(format!("{} accepted trades are in both clouds", accepted.len()))
}

fn lost_detail(cloud: CloudName, interval: Interval, lost: &[String]) -> String {
    format!("{cloud}: {} trades are in no {interval} candle: {}", lost.len(), sample(lost))
}
