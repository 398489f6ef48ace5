//! Schedules made up from a seed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::loss::SEEN_MS;
use super::{Fault, Link, Planned, Schedule, Service, To};
use crate::history::CloudId;

/// Between two faults of one cloud: one that another one hides would never fire.
const APART_MS: u64 = 300;
const TRIES: u32 = 40;
/// Largest error of a clock: past the window of replicate, which is two hours.
const SKEW_MS: i64 = 6 * 3_600_000;

/// Parameters of a random schedule.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for which trades flow.
    pub flow_ms: u64,
    /// Faults at most.
    pub faults: usize,
}

/// The schedule of a seed. It asks for no loss (see [`Schedule::asks_for_loss`]), and each of its faults can fire: those of
/// one cloud come one after the other, while trades flow.
#[must_use]
pub fn random(seed: u64, bounds: Bounds) -> Schedule {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let route = [To::Both, To::Aws, To::Gcp][rng.random_range(0..3)];
    let mut schedule = Schedule { route, faults: Vec::new() };
    let wanted = rng.random_range(1..=bounds.faults.max(1));
    for _ in 0..TRIES {
        if schedule.faults.len() == wanted {
            break;
        }
        let mut next = schedule.clone();
        next.faults.push(planned(&mut rng, bounds));
        if can_fire(&next) && next.asks_for_loss(bounds.flow_ms).is_none() {
            schedule = next;
        }
    }
    schedule.faults.sort_by_key(|planned| planned.at_ms);
    schedule
}

fn planned(rng: &mut ChaCha8Rng, bounds: Bounds) -> Planned {
    let cloud = if rng.random() { CloudId::Aws } else { CloudId::Gcp };
    let service =
        [Service::Queue, Service::Archive, Service::Store, Service::All][rng.random_range(0..4)];
    let percent = rng.random_range(50..=100);
    let (fault, for_ms) = match rng.random_range(0..11) {
        0 => (Fault::Kill, 100..=4_000),
        1 => (Fault::Pause, 500..=4_000),
        2 => (Fault::Cut { link: Link::Producer, hang: rng.random() }, 500..=3_000),
        3 => (Fault::Cut { link: Link::Peer, hang: rng.random() }, 800..=3_000),
        4 => (Fault::Fail { service, percent }, 500..=3_000),
        5 => (Fault::LoseAnswers { service, percent }, 500..=3_000),
        6 => (Fault::Slow { delay_ms: rng.random_range(5..=400) }, 500..=3_000),
        7 => (Fault::Duplicate { percent }, 500..=3_000),
        8 => (Fault::CrashFunction { times: rng.random_range(1..=4) }, 0..=0),
        9 => (Fault::Skew { by_ms: rng.random_range(-SKEW_MS..=SKEW_MS) }, 1_000..=4_000),
        _ if rng.random() => (Fault::CrashProducer, 50..=500),
        _ => (Fault::Reorder { percent }, 500..=3_000),
    };
    let at_ms = rng.random_range(300..=bounds.flow_ms.saturating_sub(SEEN_MS).max(301));
    let cloud = if fault == Fault::CrashProducer { CloudId::Aws } else { cloud };
    Planned { at_ms, for_ms: rng.random_range(for_ms), cloud, fault }
}

fn can_fire(schedule: &Schedule) -> bool {
    let faults = &schedule.faults;
    faults.iter().enumerate().all(|(index, one)| {
        faults[index + 1..].iter().all(|other| {
            let is_producer = |planned: &Planned| planned.fault == Fault::CrashProducer;
            let are_apart =
                one.end_ms() + APART_MS < other.at_ms || other.end_ms() + APART_MS < one.at_ms;
            let same_place = one.cloud == other.cloud && is_producer(one) == is_producer(other);
            !same_place || are_apart
        })
    })
}
