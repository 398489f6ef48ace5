//! The scenarios that can be said as a schedule, for fourteen seconds of trades.

use super::{Fault, Link, Planned, Schedule, Service, To};
use crate::delivery::OUTAGE;
use crate::history::CloudId::{self, Aws, Gcp};

/// True if a scenario is played in full length, where time is virtual, instead of divided by [`crate::delivery::FACTOR`].
#[must_use]
pub fn has_full_length(scenario: &str) -> bool {
    matches!(scenario, "outage-aws" | "outage-gcp")
}

/// Scenarios that `sim` alone can play, with a line on each.
pub const ONLY_ON_SIM: &[(&str, &str)] = &[(
    "clock-skew",
    "AWS's functions are ten minutes behind and Google Cloud's three hours ahead, and AWS dies meanwhile (sim only: \
     elsewhere all functions have the clock of this machine)",
)];

/// The schedule of a scenario, one of [`ONLY_ON_SIM`] or of [`crate::scenarios::ALL`]; `None`: it needs real programs or a
/// real network.
#[must_use]
pub fn named(scenario: &str) -> Option<Schedule> {
    let planned = |at_ms, for_ms, cloud, fault| Planned { at_ms, for_ms, cloud, fault };
    let cut = |at_ms, for_ms, cloud| {
        planned(at_ms, for_ms, cloud, Fault::Cut { link: Link::Producer, hang: false })
    };
    let fail = |cloud, service| planned(3_000, 3_000, cloud, Fault::Fail { service, percent: 100 });
    let kill = |at_ms, for_ms, cloud| planned(at_ms, for_ms, cloud, Fault::Kill);
    let both = |at_ms, for_ms, fault: Fault| {
        [Aws, Gcp].map(|cloud: CloudId| planned(at_ms, for_ms, cloud, fault)).to_vec()
    };
    let outage = |cloud| {
        let for_ms = u64::try_from(OUTAGE.as_millis()).unwrap_or(u64::MAX);
        planned(3_000, for_ms, cloud, Fault::Fail { service: Service::Store, percent: 100 })
    };
    let crash_producer = |at_ms| planned(at_ms, 100, Aws, Fault::CrashProducer);
    let (route, faults) = match scenario {
        "kill-aws" => (To::Aws, vec![kill(1_500, 3_000, Aws)]),
        "kill-gcp" => (To::Gcp, vec![kill(1_500, 3_000, Gcp)]),
        "kill-aws-mirrored" => (To::Both, vec![kill(4_500, 4_500, Aws)]),
        "kill-gcp-mirrored" => (To::Both, vec![kill(4_500, 4_500, Gcp)]),
        "kill-aws-for-good" => (To::Aws, vec![kill(1_500, 20_000, Aws)]),
        "kill-gcp-for-good" => (To::Gcp, vec![kill(1_500, 20_000, Gcp)]),
        "kill-during-failover" => (To::Aws, vec![kill(1_500, 6_000, Aws), crash_producer(2_300)]),
        "kill-during-restore" => (To::Aws, vec![kill(1_500, 2_500, Aws), kill(4_300, 2_500, Aws)]),
        "kill-unseen" => {
            let cut = planned(500, 1_000, Aws, Fault::Cut { link: Link::Peer, hang: false });
            let crash = planned(1_500, 4_000, Aws, Fault::CrashProducer);
            (To::Aws, vec![cut, crash, kill(1_520, 3_000, Aws)])
        }
        "pause-aws" => (To::Aws, vec![planned(1_500, 4_000, Aws, Fault::Pause)]),
        "pause-gcp" => (To::Gcp, vec![planned(1_500, 4_000, Gcp, Fault::Pause)]),
        "flapping" => (To::Aws, (0..5).map(|flap| cut(3_000 + 1_400 * flap, 700, Aws)).collect()),
        "both-down" => (To::Both, vec![cut(4_000, 3_000, Aws), cut(4_000, 3_000, Gcp)]),
        "partition" => (To::Aws, both(3_000, 3_000, Fault::Cut { link: Link::Peer, hang: false })),
        "store-aws" => (To::Aws, vec![fail(Aws, Service::Store)]),
        "store-gcp" => (To::Gcp, vec![fail(Gcp, Service::Store)]),
        "archive-aws" => (To::Aws, vec![fail(Aws, Service::Archive)]),
        "archive-gcp" => (To::Gcp, vec![fail(Gcp, Service::Archive)]),
        "outage-aws" => (To::Aws, vec![outage(Aws)]),
        "outage-gcp" => (To::Gcp, vec![outage(Gcp)]),
        "queue-aws" => (To::Aws, vec![fail(Aws, Service::Queue)]),
        "queue-gcp" => (To::Gcp, vec![fail(Gcp, Service::Queue)]),
        "slow-everything" => (To::Both, both(1_500, 6_000, Fault::Slow { delay_ms: 100 })),
        "throttling-storm" => {
            (To::Both, both(1_500, 3_000, Fault::Fail { service: Service::All, percent: 33 }))
        }
        "lost-responses" => (
            To::Both,
            both(1_500, 3_000, Fault::LoseAnswers { service: Service::All, percent: 30 }),
        ),
        "duplicate-reorder" => {
            let mut faults = both(1_500, 3_000, Fault::Duplicate { percent: 50 });
            faults.extend(both(1_500, 3_000, Fault::Reorder { percent: 50 }));
            (To::Both, faults)
        }
        "function-crash" => (To::Both, both(1_500, 0, Fault::CrashFunction { times: 12 })),
        "producer-crash" => {
            (To::Both, (1..=6).map(|crash| crash_producer(1_750 * crash)).collect())
        }
        // The poison is the scenario's own.
        "poison-flood" => (To::Both, Vec::new()),
        "clock-skew" => {
            let skew = |cloud, by_ms| planned(500, 12_000, cloud, Fault::Skew { by_ms });
            let (minute, hour) = (60_000, 3_600_000);
            (To::Aws, vec![skew(Aws, -10 * minute), skew(Gcp, 3 * hour), kill(3_000, 3_000, Aws)])
        }
        "rolling-restart" => {
            let mut faults = vec![crash_producer(2_800)];
            faults.push(planned(5_600, 0, Aws, Fault::CrashFunction { times: 1 }));
            faults.push(planned(8_400, 0, Gcp, Fault::CrashFunction { times: 1 }));
            (To::Both, faults)
        }
        _ => return None,
    };
    Some(Schedule { route, faults })
}
