//! Both clouds hold the same candles, and the same archive objects to the last byte.

use std::collections::BTreeSet;

use super::{Evidence, sample};

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut snapshots = evidence.snapshots.iter();
    let Some((first_name, first)) = snapshots.next() else { return Err("no cloud".to_owned()) };
    let digest = first.digest();
    for (name, other) in snapshots {
        let other_digest = other.digest();
        if digest != other_digest {
            return Err(format!(
                "candles differ: {first_name} has {digest}, {name} {other_digest}"
            ));
        }
        let ours: BTreeSet<_> = first.archive.iter().collect();
        let theirs: BTreeSet<_> = other.archive.iter().collect();
        let differ: BTreeSet<_> =
            ours.symmetric_difference(&theirs).map(|(name, _)| name).collect();
        if !differ.is_empty() {
            let count = differ.len();
            return Err(format!(
                "{count} objects are not in both clouds alike: {}",
                sample(differ)
            ));
        }
    }
    Ok(format!("candles have digest {digest}"))
}
