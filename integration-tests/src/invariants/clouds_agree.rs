//! Both clouds hold the same candles and the same archive objects.

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
        let names = |archive: &[(String, bytes::Bytes)]| -> BTreeSet<String> {
            archive.iter().map(|(name, _)| name.clone()).collect()
        };
        let (ours, theirs) = (names(&first.archive), names(&other.archive));
        let differ: Vec<_> = ours.symmetric_difference(&theirs).collect();
        if !differ.is_empty() {
            return Err(format!(
                "{} objects are in one cloud only: {}",
                differ.len(),
                sample(differ)
            ));
        }
    }
    Ok(format!("candles have digest {digest}"))
}
