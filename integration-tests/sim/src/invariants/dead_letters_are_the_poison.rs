//! The dead letters of each cloud are exactly the poison messages: those that no function can decode.

use std::collections::BTreeSet;

use super::{Evidence, sample};
use crate::history::Event;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut count = 0;
    for (cloud, snapshot) in &evidence.snapshots {
        let mut poison: BTreeSet<&[u8]> = BTreeSet::new();
        for entry in &evidence.history {
            match &entry.event {
                Event::PoisonAccepted { cloud: by, body } if by == cloud => {
                    poison.insert(body.as_bytes());
                }
                _ => {}
            }
        }
        let dead: BTreeSet<&[u8]> = snapshot.dead_letters.iter().map(AsRef::as_ref).collect();
        let text =
            |body: &&[u8]| String::from_utf8_lossy(body).chars().take(80).collect::<String>();
        let healthy: Vec<_> = dead.difference(&poison).map(text).collect();
        if !healthy.is_empty() {
            let shown = sample(&healthy);
            return Err(format!("{cloud}: {} dead letters are no poison: {shown}", healthy.len()));
        }
        let missing: Vec<_> = poison.difference(&dead).map(text).collect();
        if !missing.is_empty() {
            let shown = sample(&missing);
            return Err(format!(
                "{cloud}: {} poison messages are no dead letters: {shown}",
                missing.len()
            ));
        }
        count = dead.len();
    }
    Ok(format!("{count} in each cloud"))
}
