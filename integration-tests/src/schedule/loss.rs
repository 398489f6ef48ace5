//! Whether a schedule asks for a loss.
//!
//! A cloud that dies with all that it holds takes with it what nobody else has. Three things give that back: the other
//! cloud's archive, the other cloud's queue, and the producer's window, which is published once more once the dead one is
//! *known to be down*: to the other cloud, or to the dead one itself if that is there again first. So nothing is asked of the pipeline that it does not promise if
//!
//! 1. one cloud only loses its data, however often: the other one is never wiped;
//! 2. it is away for long enough to be found down, while trades flow;
//! 3. while it is away, and a little before and after, the producer lives.
//!
//! Anything else can happen at any time.

use super::{Fault, Planned, Schedule};

/// The shortest death: longer than a producer takes to see one.
pub(super) const DEATH_MS: u64 = 2_000;
/// Before and after a death.
const CALM_MS: u64 = 2_500;

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
            let at = death.at_ms;
            if death.for_ms < DEATH_MS {
                return Some(format!(
                    "the death at {at} ms is shorter than {DEATH_MS} ms: nobody fails over"
                ));
            }
            if at + DEATH_MS > flow_ms {
                return Some(format!(
                    "the death at {at} ms comes when no trades flow: nobody sees it"
                ));
            }
            let crashes = |other: &&Planned| {
                let is_near =
                    other.at_ms <= death.end_ms() + CALM_MS && at <= other.end_ms() + CALM_MS;
                is_near && other.fault == Fault::CrashProducer
            };
            if let Some(crash) = self.faults.iter().find(crashes) {
                return Some(format!(
                    "around the death at {at} ms, the producer dies at {} ms: it forgets what it knew of the cloud",
                    crash.at_ms
                ));
            }
        }
        None
    }
}
