//! The steps of the scenarios.

use std::time::Duration;

use crate::delivery::OUTAGE;
use crate::history::CloudId::{self, Aws, Gcp};
use crate::schedule::{Fault, Link, Service};
use crate::testbed::Injection;
use crate::testbed::Step::{
    self, Accepted, AcceptedBy, Begin, End, InterruptDeploy, RoutedTo, SendPoison, Wait,
    WaitDivided,
};

/// The time for which a cloud is away in the scenarios that kill it.
const AWAY: Duration = Duration::from_secs(1);
/// In the middle of what comes after a cloud is back.
const MIDWAY: Duration = Duration::from_millis(300);
/// The time for which links and services are broken.
const BROKEN: Duration = Duration::from_secs(3);
/// The time between the death of a producer or function and its successor's start.
const RESTART: Duration = Duration::from_millis(100);
const FLAPS: usize = 5;
const FLAP: Duration = Duration::from_millis(700);
const PRODUCER_CRASHES: u32 = 6;
const FUNCTION_CRASHES: u32 = 4;

const fn on(cloud: CloudId, fault: Fault) -> Injection {
    Injection::new(cloud, fault)
}

const fn killed(cloud: CloudId) -> Injection {
    on(cloud, Fault::Kill)
}

const fn cut(cloud: CloudId, link: Link) -> Injection {
    on(cloud, Fault::Cut { link, hang: false })
}

/// Of all calls of the service.
const fn failing(cloud: CloudId, service: Service) -> Injection {
    on(cloud, Fault::Fail { service, percent: 100 })
}

/// The producer belongs to no cloud; the history has the fault at AWS.
const PRODUCER: Injection = on(Aws, Fault::CrashProducer);

const fn only(cloud: CloudId) -> &'static [CloudId] {
    match cloud {
        Aws => &[Aws],
        Gcp => &[Gcp],
    }
}

/// The same fault on both clouds for a while, once so many percent of the trades are accepted.
fn both(percent: u32, faults: &[Fault], time: Duration) -> Vec<Step> {
    let injections = || faults.iter().flat_map(|fault| [Aws, Gcp].map(|cloud| on(cloud, *fault)));
    let mut steps = vec![Accepted(percent)];
    steps.extend(injections().map(Begin));
    steps.push(Wait(time));
    steps.extend(injections().map(End));
    steps
}

/// The primary dies with everything in it, the other one takes over, and the primary is failed back to.
pub(super) fn kill(cloud: CloudId) -> Vec<Step> {
    vec![
        Accepted(10),
        Begin(killed(cloud)),
        RoutedTo(only(cloud.other())),
        AcceptedBy(cloud.other(), 1),
        Wait(AWAY),
        End(killed(cloud)),
        RoutedTo(only(cloud)),
    ]
}

pub(super) fn kill_mirrored(cloud: CloudId) -> Vec<Step> {
    vec![Accepted(33), Begin(killed(cloud)), Accepted(66), End(killed(cloud))]
}

/// The cloud is back only after the other one has taken everything.
pub(super) fn kill_for_good(cloud: CloudId) -> Vec<Step> {
    vec![Accepted(10), Begin(killed(cloud)), Accepted(100), End(killed(cloud))]
}

pub(super) fn kill_during_failover() -> Vec<Step> {
    vec![
        Accepted(10),
        Begin(killed(Aws)),
        RoutedTo(&[Gcp]),
        Begin(PRODUCER),
        Wait(MIDWAY),
        End(PRODUCER),
        AcceptedBy(Gcp, 1),
        End(killed(Aws)),
    ]
}

pub(super) fn kill_during_restore() -> Vec<Step> {
    vec![
        Accepted(10),
        Begin(killed(Aws)),
        AcceptedBy(Gcp, 1),
        End(killed(Aws)),
        Wait(MIDWAY),
        Begin(killed(Aws)),
        Wait(MIDWAY),
        End(killed(Aws)),
    ]
}

pub(super) fn kill_during_deploy() -> Vec<Step> {
    vec![
        Accepted(10),
        Begin(killed(Aws)),
        AcceptedBy(Gcp, 1),
        InterruptDeploy(killed(Aws), Duration::from_millis(150)),
        End(killed(Aws)),
    ]
}

/// By its incarnation id alone the next producer knows that the primary is another one, and trades that were not copied before
/// are nowhere else than in the spool.
pub(super) fn kill_unseen() -> Vec<Step> {
    let unseen_by_peer = cut(Aws, Link::Peer);
    vec![
        Accepted(10),
        Begin(unseen_by_peer),
        Accepted(20),
        Begin(PRODUCER),
        Begin(killed(Aws)),
        End(killed(Aws)),
        End(unseen_by_peer),
        End(PRODUCER),
    ]
}

pub(super) fn pause(cloud: CloudId) -> Vec<Step> {
    let paused = on(cloud, Fault::Pause);
    vec![Accepted(10), Begin(paused), Wait(4 * AWAY), End(paused), RoutedTo(only(cloud))]
}

pub(super) fn flapping() -> Vec<Step> {
    let cut = cut(Aws, Link::Producer);
    let flap = [Begin(cut), Wait(FLAP), End(cut), Wait(FLAP)];
    [vec![Accepted(20)], flap.repeat(FLAPS)].concat()
}

pub(super) fn both_down() -> Vec<Step> {
    both(30, &[Fault::Cut { link: Link::Producer, hang: false }], BROKEN)
}

/// Each cloud goes on by itself meanwhile.
pub(super) fn partition() -> Vec<Step> {
    let (aws, gcp) = (cut(Aws, Link::Peer), cut(Gcp, Link::Peer));
    vec![Accepted(20), Begin(aws), Begin(gcp), Wait(BROKEN), AcceptedBy(Aws, 1), End(aws), End(gcp)]
}

/// A fault for a while, in which a cloud must go on to accept messages.
fn meanwhile(injection: Injection, goes_on: CloudId) -> Vec<Step> {
    vec![Accepted(20), Begin(injection), AcceptedBy(goes_on, 1), Wait(BROKEN), End(injection)]
}

pub(super) fn asymmetric_partition() -> Vec<Step> {
    meanwhile(on(Aws, Fault::OneWay { link: Link::Producer }), Gcp)
}

pub(super) fn region(cloud: CloudId) -> Vec<Step> {
    meanwhile(on(cloud, Fault::Cut { link: Link::All, hang: true }), cloud.other())
}

/// The queue takes messages, and the functions can't process them.
pub(super) fn service(cloud: CloudId, service: Service) -> Vec<Step> {
    meanwhile(failing(cloud, service), cloud)
}

/// As [`service`], and calls get no answer.
pub(super) fn hanging_service(cloud: CloudId, service: Service) -> Vec<Step> {
    meanwhile(on(cloud, Fault::Hang { service }), cloud)
}

pub(super) fn functions(cloud: CloudId) -> Vec<Step> {
    meanwhile(on(cloud, Fault::StopFunctions), cloud)
}

pub(super) fn queue(cloud: CloudId) -> Vec<Step> {
    meanwhile(failing(cloud, Service::Queue), cloud.other())
}

/// Longer than a delivery, and no longer than all of them.
pub(super) fn outage(cloud: CloudId) -> Vec<Step> {
    let failing = failing(cloud, Service::Store);
    vec![Accepted(20), Begin(failing), WaitDivided(OUTAGE), End(failing)]
}

pub(super) fn slow_everything() -> Vec<Step> {
    both(10, &[Fault::Slow { delay_ms: 100 }], 2 * BROKEN)
}

pub(super) fn throttling_storm() -> Vec<Step> {
    both(10, &[Fault::Throttle { percent: 33 }], BROKEN)
}

pub(super) fn lost_responses() -> Vec<Step> {
    both(10, &[Fault::LoseAnswers { service: Service::All, percent: 30 }], BROKEN)
}

pub(super) fn duplicate_reorder() -> Vec<Step> {
    both(10, &[Fault::Duplicate { percent: 50 }, Fault::Reorder { percent: 30 }], BROKEN)
}

pub(super) fn expired_credentials() -> Vec<Step> {
    let expired = on(Aws, Fault::ExpireCredentials);
    [meanwhile(expired, Gcp), vec![RoutedTo(&[Aws])]].concat()
}

/// A fault that is over at once.
fn strike(injection: Injection) -> [Step; 2] {
    [Begin(injection), End(injection)]
}

fn crash_of_function(cloud: CloudId) -> [Step; 2] {
    strike(on(cloud, Fault::CrashFunction { times: 1 }))
}

pub(super) fn function_crash() -> Vec<Step> {
    let crash = |number| {
        let (aws, gcp) = (crash_of_function(Aws), crash_of_function(Gcp));
        [vec![Accepted(100 * number / (FUNCTION_CRASHES + 1))], aws.into(), gcp.into()].concat()
    };
    (1..=FUNCTION_CRASHES).flat_map(crash).collect()
}

/// The poison is the fault.
pub(super) fn poison_flood() -> Vec<Step> {
    vec![SendPoison]
}

pub(super) fn producer_crash() -> Vec<Step> {
    let crash = |number| {
        let percent = 100 * number / (PRODUCER_CRASHES + 2);
        [Accepted(percent), Begin(PRODUCER), Wait(RESTART), End(PRODUCER)]
    };
    (1..=PRODUCER_CRASHES).flat_map(crash).collect()
}

pub(super) fn rolling_restart() -> Vec<Step> {
    let producer = vec![Accepted(20), Begin(PRODUCER), Wait(RESTART), End(PRODUCER)];
    let function =
        |percent, cloud| [vec![Accepted(percent)], crash_of_function(cloud).into()].concat();
    [producer, function(40, Aws), function(60, Gcp)].concat()
}

/// Other clocks are those of this machine everywhere but on simulated clouds.
pub(super) fn clock_skew() -> Vec<Step> {
    let (minute, hour) = (60_000, 3_600_000);
    let aws = on(Aws, Fault::Skew { by_ms: -10 * minute });
    let gcp = on(Gcp, Fault::Skew { by_ms: 3 * hour });
    vec![
        Accepted(5),
        Begin(aws),
        Begin(gcp),
        Accepted(20),
        Begin(killed(Aws)),
        Wait(BROKEN),
        End(killed(Aws)),
        Wait(BROKEN),
        End(aws),
        End(gcp),
    ]
}
