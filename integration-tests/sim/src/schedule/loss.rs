//! Finds out if a schedule asks for a loss.
//!
//! A cloud that dies with its data takes with it data that no other has. Three things restore it: the other
//! cloud's archive, the other cloud's queue, and the producer's window, which is published once more once the dead one is
//! *known to have died*, because it is down or has another incarnation id: to the other cloud, or to the dead one itself if
//! that is there again first. So nothing is asked of the pipeline that it does not promise if
//!
//! 1. one cloud only loses its data, however often: the other one is never wiped;
//! 2. there is time to see it while trades flow: a producer that has nothing left to do ends.
//!
//! Anything else can happen at any time.

use super::{Fault, Planned, Schedule};

/// Longer than a producer takes to find a cloud down, or to look at its incarnation id.
pub(super) const SEEN_MS: u64 = 2_000;

impl Schedule {
    /// Why a run of it may lose trades without any defect; `None`: it may not. Trades flow for `flow_ms`.
    #[must_use]
    pub fn asks_for_loss(&self, flow_ms: u64) -> Option<String> {
        let deaths: Vec<&Planned> =
            self.faults.iter().filter(|planned| planned.fault == Fault::Kill).collect();
        let first = deaths.first()?;
        if deaths.iter().any(|death| death.cloud != first.cloud) {
            return Some("both clouds lose what they hold".to_owned());
        }
        for death in deaths {
            // While it is away it is found down; one that is back sooner is known by its mark.
            let seen_ms = death.at_ms + death.for_ms.min(SEEN_MS) + SEEN_MS;
            if seen_ms > flow_ms {
                let at = death.at_ms;
                return Some(format!(
                    "the death at {at} ms comes when hardly any trades are left: the producer may have ended before it sees it"
                ));
            }
        }
        None
    }
}
