//! Every fault that was asked for, and every one that was begun, took effect: a run without its faults proves nothing.

use super::{Evidence, sample};
use crate::measure;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let faults = measure::faults(&evidence.history);
    let idle = faults.iter().filter(|fault| fault.fired == 0);
    let idle: Vec<String> =
        idle.map(|fault| format!("{} on {}", fault.fault, fault.cloud)).collect();
    if !idle.is_empty() {
        return Err(format!("{} faults never fired: {}", idle.len(), sample(idle)));
    }
    let (fired, asked) = (faults.len(), evidence.about.faults_asked);
    if fired < asked {
        return Err(format!("{fired} of {asked} faults fired"));
    }
    let times: usize = faults.iter().map(|fault| fault.fired).sum();
    Ok(match (asked, fired) {
        (0, 0) => "none was asked for".to_owned(),
        _ => format!("{fired} faults fired, {times} times in all"),
    })
}
