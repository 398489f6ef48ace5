//! Every fault that was asked for took effect: a run without its faults proves nothing.

use super::Evidence;
use crate::history::Event;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let fired = |entry: &&crate::history::Entry| matches!(entry.event, Event::FaultFired { .. });
    let fired = evidence.history.iter().filter(fired).count();
    let asked = evidence.faults_asked;
    if fired < asked {
        return Err(format!("{fired} of {asked} faults fired"));
    }
    Ok(if asked == 0 { "none was asked for".to_owned() } else { format!("{fired} fired") })
}
