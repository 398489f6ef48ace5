//! From a schedule that fails to a small one that still does.

use super::{Fault, Schedule};

/// The shortest that a fault is made.
const SHORTEST_MS: u64 = 100;

/// Takes away faults, then shortens those that are left, as long as `fails` says that what comes out still fails, and it
/// asks for no loss.
pub fn shrink(
    schedule: Schedule,
    flow_ms: u64,
    mut fails: impl FnMut(&Schedule) -> bool,
) -> Schedule {
    let mut least = schedule;
    let mut try_it = |candidate: Schedule, least: &mut Schedule| {
        let is_smaller = candidate.asks_for_loss(flow_ms).is_none() && fails(&candidate);
        if is_smaller {
            *least = candidate;
        }
        is_smaller
    };
    loop {
        let before = least.clone();
        let mut index = 0;
        while index < least.faults.len() {
            let mut candidate = least.clone();
            candidate.faults.remove(index);
            if !try_it(candidate, &mut least) {
                index += 1;
            }
        }
        for index in 0..least.faults.len() {
            loop {
                let mut candidate = least.clone();
                let planned = &mut candidate.faults[index];
                let shorter = (planned.for_ms / 2).max(SHORTEST_MS);
                if planned.for_ms <= shorter {
                    break;
                }
                planned.for_ms = shorter;
                if !try_it(candidate, &mut least) {
                    break;
                }
            }
            if let Fault::CrashFunction { times } = least.faults[index].fault
                && times > 1
            {
                let mut candidate = least.clone();
                candidate.faults[index].fault = Fault::CrashFunction { times: 1 };
                try_it(candidate, &mut least);
            }
        }
        if least == before {
            return least;
        }
    }
}
