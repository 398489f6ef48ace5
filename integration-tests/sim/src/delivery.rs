//! The redelivery of messages in `chaos`: by the product's own limits, with all times divided by one factor.
//!
//! Counts are as shipped. What `--set` or a variable names is as it was named, whatever is shipped.

use std::time::Duration;

use infra::Settings;
use infra::settings::{Pubsub, Queue};

use crate::history::CloudId;

/// By what visibility, back-off and outages are divided, so that a run of seconds plays minutes.
pub const FACTOR: u32 = 60;

/// An outage that makes no dead letter, on either cloud.
pub const OUTAGE: Duration = Duration::from_mins(12);

/// Takes the shipped limits over into the settings of the emulators, but for what is named by hand. `has_pauses`: whether
/// something keeps Google Cloud's back-off there, which its emulator does not. What comes back says what is played.
pub fn play(
    settings: &mut Settings,
    shipped: &Settings,
    factor: u32,
    has_pauses: bool,
    is_named: impl Fn(&str) -> bool,
) -> String {
    let mut named = Vec::new();
    let mut take = |key: &'static str, to: &mut u32, value: u32| {
        if is_named(key) {
            named.push(format!("{key}={to}"));
        } else {
            *to = value;
        }
    };
    let (queue, pubsub) = (&mut settings.aws.queue, &mut settings.gcp.pubsub);
    let (aws, gcp) = (&shipped.aws.queue, &shipped.gcp.pubsub);
    take("aws.queue.max_receive_count", &mut queue.max_receive_count, aws.max_receive_count);
    let visibility = (aws.visibility_timeout_s / factor).max(1);
    take("aws.queue.visibility_timeout_s", &mut queue.visibility_timeout_s, visibility);
    let attempts = if has_pauses {
        take("gcp.pubsub.min_backoff_ms", &mut pubsub.min_backoff_ms, gcp.min_backoff_ms / factor);
        take("gcp.pubsub.max_backoff_ms", &mut pubsub.max_backoff_ms, gcp.max_backoff_ms / factor);
        gcp.max_delivery_attempts
    } else {
        // The emulator delivers each second: as many seconds as the pauses would take.
        let outlasts_s = gcp.outlasts_ms().div_ceil(u64::from(factor) * 1_000);
        gcp.max_delivery_attempts.max(u32::try_from(outlasts_s + 1).unwrap_or(u32::MAX))
    };
    take("gcp.pubsub.max_delivery_attempts", &mut pubsub.max_delivery_attempts, attempts);
    let (on_aws, on_google) = (Limits::of_aws(queue), Limits::of_google(pubsub));
    let by =
        if factor == 1 { "as shipped".to_owned() } else { format!("times divided by {factor}") };
    let named =
        if named.is_empty() { String::new() } else { format!("; by hand: {}", named.join(", ")) };
    format!(
        "deliveries: {by}; poison is a dead letter after {on_aws} on AWS, {on_google} on Google Cloud{named}"
    )
}

/// The keys that `--set` arguments and variables name.
#[must_use]
pub fn named(sets: &[String], vars: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let of_set = |set: &String| set.split_once('=').map(|(key, _)| key.trim().to_owned());
    let of_var = |(name, _): (String, String)| {
        name.strip_prefix("TWINCLOUD_").map(|key| key.to_ascii_lowercase().replace("__", "."))
    };
    sets.iter().filter_map(of_set).chain(vars.filter_map(of_var)).collect()
}

/// When a message is delivered again, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deliveries before a message is a dead letter.
    pub deliveries: u32,
    /// The time for which a delivered message is hidden, unless it is given back before.
    pub hidden: Duration,
    /// The pauses after a delivery that failed; `None`: the message is just hidden.
    pauses: Option<(u32, u32)>,
}

impl Limits {
    /// Those of a cloud.
    #[must_use]
    pub fn of(cloud: CloudId, settings: &Settings) -> Self {
        match cloud {
            CloudId::Aws => Self::of_aws(&settings.aws.queue),
            CloudId::Gcp => Self::of_google(&settings.gcp.pubsub),
        }
    }

    fn of_aws(queue: &Queue) -> Self {
        let hidden = Duration::from_secs(queue.visibility_timeout_s.into());
        Self { deliveries: queue.max_receive_count, hidden, pauses: None }
    }

    fn of_google(pubsub: &Pubsub) -> Self {
        let hidden = Duration::from_secs(pubsub.ack_deadline_s.into());
        let pauses = Some((pubsub.min_backoff_ms, pubsub.max_backoff_ms));
        Self { deliveries: pubsub.max_delivery_attempts, hidden, pauses }
    }

    /// The pause after the delivery of this number, which failed; numbers begin with 1.
    #[must_use]
    pub fn pause(&self, delivery: u32) -> Duration {
        self.pauses.map_or(self.hidden, |(least, most)| {
            let doubled = u64::from(least) << delivery.saturating_sub(1).min(32);
            Duration::from_millis(doubled.min(most.into()))
        })
    }

    /// The time until a message that always fails is a dead letter.
    #[must_use]
    pub fn until_dead(&self) -> Duration {
        // SQS finds out once it would deliver the message again.
        let last = if self.pauses.is_none() { self.hidden } else { Duration::ZERO };
        (1..self.deliveries).map(|delivery| self.pause(delivery)).sum::<Duration>() + last
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deliveries, pauses, .. } = self;
        match pauses {
            Some((_, 0)) => write!(f, "{deliveries} deliveries, as quick as the emulator is,"),
            _ => write!(f, "{deliveries} deliveries in {:.1?}", self.until_dead()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;

    pub(crate) fn settings(env: &str, sets: &[String]) -> Settings {
        let text = include_str!("../../../twincloud.toml");
        Settings::parse(Path::new("twincloud.toml"), text, Some(env), sets, std::iter::empty())
            .expect("valid")
    }

    #[test]
    fn counts_are_as_shipped_and_times_are_divided() {
        let (mut local, shipped) = (settings("local", &[]), settings("dev", &[]));
        let said = play(&mut local, &shipped, FACTOR, true, |_| false);
        assert_eq!(local.aws.queue.max_receive_count, shipped.aws.queue.max_receive_count);
        assert_eq!(
            local.gcp.pubsub.max_delivery_attempts,
            shipped.gcp.pubsub.max_delivery_attempts
        );
        assert_eq!(local.aws.queue.visibility_timeout_s, 3);
        assert_eq!(
            (local.gcp.pubsub.min_backoff_ms, local.gcp.pubsub.max_backoff_ms),
            (166, 2_000)
        );
        assert_eq!(
            said,
            "deliveries: times divided by 60; poison is a dead letter after 6 deliveries in 18.0s on AWS, 11 deliveries in \
             14.5s on Google Cloud"
        );
        for cloud in [CloudId::Aws, CloudId::Gcp] {
            let limits = Limits::of(cloud, &local);
            let last = limits.pause(limits.deliveries);
            assert!(
                limits.until_dead().checked_sub(last).unwrap() >= OUTAGE / FACTOR,
                "{cloud}: {limits}"
            );
        }
    }

    #[test]
    fn without_pauses_deliveries_stand_in_for_them() {
        let (mut local, shipped) = (settings("local", &[]), settings("dev", &[]));
        let said = play(&mut local, &shipped, FACTOR, false, |_| false);
        assert_eq!((local.gcp.pubsub.min_backoff_ms, local.gcp.pubsub.max_backoff_ms), (0, 0));
        assert_eq!(local.gcp.pubsub.max_delivery_attempts, 16, "seconds, where 14.5 are outlasted");
        assert!(
            said.ends_with("16 deliveries, as quick as the emulator is, on Google Cloud"),
            "{said}"
        );
    }

    #[test]
    fn what_is_named_by_hand_is_played_and_told() {
        let sets = ["aws.queue.max_receive_count=2".to_owned()];
        let vars = [("TWINCLOUD_GCP__PUBSUB__MAX_DELIVERY_ATTEMPTS".to_owned(), "5".to_owned())];
        let keys = named(&sets, vars.into_iter());
        let (mut local, shipped) = (settings("local", &sets), settings("dev", &[]));
        let said = play(&mut local, &shipped, FACTOR, true, |key| keys.iter().any(|k| k == key));
        assert_eq!(local.aws.queue.max_receive_count, 2);
        assert_eq!(local.gcp.pubsub.max_delivery_attempts, 5, "as in the environment of emulators");
        assert!(
            said.ends_with(
                "; by hand: aws.queue.max_receive_count=2, gcp.pubsub.max_delivery_attempts=5"
            ),
            "{said}"
        );
    }
}
