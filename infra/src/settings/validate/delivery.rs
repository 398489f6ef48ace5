//! Limits: how long everything may fail before a message is a dead letter, and how large the functions' environment may get.
//!
//! Whatever fails, a delivery that fails is counted: a store that is away (503), a service that is full (429), a grant that
//! takes its minutes to reach all of Google (403). So the counts and the pauses between deliveries together must outlast an
//! outage, on both clouds.

use std::borrow::Cow;

use super::{Checked, ensure};
use crate::known::ResolvedOutputs;
use crate::names;
use crate::settings::model::{Pubsub, Queue, Settings};

/// An outage of so many seconds makes no dead letter.
const OUTAGE_S: u64 = 600;
/// The most deliveries that Pub/Sub takes.
const MOST_ATTEMPTS: u32 = 100;
/// Pauses that fit, to name where none are set.
const USUAL_MIN_MS: u32 = 10_000;
/// Firestore's sustained limit is one write of a document in this many milliseconds.
const WRITE_MS: u32 = 1_000;
/// The most that Lambda takes of all variables of a function, names and values together; less than the 4,096 bytes that
/// `CloudFormation` takes as one parameter, as the names are counted too.
const ENVIRONMENT_BYTES: usize = 4_096;
/// Of that, what a deployment adds that the settings do not know: the audience at Google, and on emulators some URLs.
const ADDED_LATER_BYTES: usize = 384;

/// Both clouds, but for the emulators' own environment, where a test is to see a redelivery within seconds.
pub(super) fn outages(settings: &Settings) -> Checked {
    if settings.home() == names::LOCAL_ENVIRONMENT {
        return Ok(());
    }
    aws(&settings.aws.queue)?;
    google(&settings.gcp.pubsub)?;
    writes(settings)?;
    poison(settings)
}

/// A message is one write to each candle of its symbol. One instance combines the messages that arrive during a write; several
/// instances write the same documents concurrently, and aborted writes are retried.
fn writes(settings: &Settings) -> Checked {
    if !settings.route.targets.iter().any(|target| target == "gcp") {
        return Ok(());
    }
    let (instances, age_ms) = (settings.gcp.ingest.max_instances, settings.producer.batch_age_ms);
    let problem = format!(
        "{instances} instances write the same candles, each for itself, and with producer.batch_age_ms = {age_ms} a symbol has \
         a message each {age_ms} ms; Firestore bears about one write a second of a document for long: 1, or \
         producer.batch_age_ms = {WRITE_MS} or more"
    );
    ensure("gcp.ingest.max_instances", instances == 1 || age_ms >= WRITE_MS, problem)
}

/// Poison is delivered as often as anything else, and waits meanwhile: that is no reason for an alarm, as its dead letter
/// is one.
fn poison(settings: &Settings) -> Checked {
    let on_aws =
        settings.aws.queue.outlasts_s() + u64::from(settings.aws.queue.visibility_timeout_s);
    let on_google = settings.gcp.pubsub.outlasts_ms().div_ceil(1_000);
    let (longest_s, waits_s) = (on_aws.max(on_google), settings.alerts.oldest_unacked_s);
    let problem = format!(
        "{waits_s} s is not more than the {longest_s} s that a message waits which can't be processed, until it is a dead \
         letter (on AWS {on_aws} s, on Google Cloud {on_google} s): each would ring twice; {} or more",
        longest_s + 1
    );
    ensure("alerts.oldest_unacked_s", u64::from(waits_s) > longest_s, problem)
}

fn aws(queue: &Queue) -> Checked {
    let (deliveries, pause_s) = (queue.max_receive_count, u64::from(queue.visibility_timeout_s));
    let fits = OUTAGE_S.div_ceil(pause_s.max(1)) + 1;
    let problem = format!(
        "{deliveries} deliveries, {pause_s} s apart (aws.queue.visibility_timeout_s), make a message a dead letter after {} s \
         of failing; an outage of {OUTAGE_S} s must make none: {fits} or more",
        queue.outlasts_s()
    );
    ensure("aws.queue.max_receive_count", queue.outlasts_s() >= OUTAGE_S, problem)
}

fn google(pubsub: &Pubsub) -> Checked {
    let outage_ms = OUTAGE_S * 1_000;
    if pubsub.outlasts_ms() >= outage_ms {
        return Ok(());
    }
    let with = |attempts, min_backoff_ms, max_backoff_ms| {
        Pubsub { max_delivery_attempts: attempts, min_backoff_ms, max_backoff_ms, ..pubsub.clone() }
            .outlasts_ms()
            >= outage_ms
    };
    let Pubsub { max_delivery_attempts: now, min_backoff_ms: min, max_backoff_ms: max, .. } =
        *pubsub;
    let after = format!(
        "{now} deliveries, {min} ms and then up to {max} ms apart, make a message a dead letter after {} ms of failing; an \
         outage of {OUTAGE_S} s must make none",
        pubsub.outlasts_ms()
    );
    let (key, fits) = if let Some(fits) = (now..=MOST_ATTEMPTS).find(|n| with(*n, min, max)) {
        ("gcp.pubsub.max_delivery_attempts", format!("{fits} or more"))
    } else if let Some(fits) = least(max..=600_000, |max| with(MOST_ATTEMPTS, min, max)) {
        let fits = format!(
            "even {MOST_ATTEMPTS} deliveries, the most there can be, need {fits} or more here"
        );
        ("gcp.pubsub.max_backoff_ms", fits)
    } else {
        let fits = least(min..=600_000, |min| with(now, min, min.max(max)));
        let fits = fits.unwrap_or(USUAL_MIN_MS);
        let beside = if max < fits { ", and in gcp.pubsub.max_backoff_ms no less" } else { "" };
        ("gcp.pubsub.min_backoff_ms", format!("{fits} or more here{beside}"))
    };
    ensure(key, false, format!("{after}: {fits}"))
}

/// The least value that fits, where each one above a fitting one fits too.
fn least(values: std::ops::RangeInclusive<u32>, fits: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut low, mut high) = values.into_inner();
    if !fits(high) {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// Each function gets all symbols in one variable.
pub(super) fn symbols(settings: &Settings) -> Checked {
    match settings.too_many_symbols() {
        None => Ok(()),
        Some(problem) => ensure(Cow::Borrowed("trading.symbols"), false, problem),
    }
}

impl Settings {
    /// Why AWS's functions can't be told all of `trading.symbols`, with the number that fits; `None`: they can.
    #[must_use]
    pub fn too_many_symbols(&self) -> Option<String> {
        let env = self.aws_replicate_env(&"0".repeat(12), &ResolvedOutputs::default());
        let bytes = |(name, value): (&String, &String)| name.len() + value.len();
        let taken = env.iter().map(bytes).sum::<usize>() + ADDED_LATER_BYTES;
        if taken <= ENVIRONMENT_BYTES {
            return None;
        }
        let symbols = &self.trading.symbols;
        let listed: usize = symbols.iter().map(|symbol| symbol.len() + 1).sum();
        let left = ENVIRONMENT_BYTES.saturating_sub(taken - listed);
        let fit = symbols.iter().scan(0, |length, symbol| {
            *length += symbol.len() + 1;
            Some(*length)
        });
        let fit = fit.take_while(|length| *length <= left).count();
        Some(format!(
            "{} symbols don't fit, the first {fit} do: Lambda takes {ENVIRONMENT_BYTES} bytes of variables in all, {left} of \
             them are left for this list, and with its commas it has {listed}; make a deployment for each part of them, with \
             a prefix of its own",
            symbols.len()
        ))
    }
}
