//! While a cloud is away as a whole, the other one takes messages: within a bound after it went, and until it is back.

use super::Evidence;
use crate::measure;

/// Not the aim, which a busy machine may miss, but a time that is too long for any failover.
const BOUND_MS: u64 = 15_000;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let takeovers = measure::takeovers(&evidence.history);
    for takeover in &takeovers {
        let cloud = takeover.cloud;
        match takeover.after_ms {
            Some(after_ms) if after_ms <= BOUND_MS => {}
            Some(after_ms) => {
                return Err(format!(
                    "{cloud} was away, and the other one took its first message after {after_ms} ms"
                ));
            }
            None => return Err(format!("{cloud} was away, and the other one took no message")),
        }
    }
    Ok(match takeovers.iter().filter_map(|takeover| takeover.after_ms).max() {
        Some(worst) => {
            format!("{} times a cloud was away; taken over within {worst} ms", takeovers.len())
        }
        None => "no cloud was away by itself".to_owned(),
    })
}
