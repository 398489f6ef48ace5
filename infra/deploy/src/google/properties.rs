//! A resource as a flat list of properties, to be compared and shown in a plan.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_pubsub::model::{Subscription, Topic};
use google_cloud_wkt as wkt;

use crate::local::run::{Job, JobState, ServiceState};
use crate::plan::PropertyChange;

/// A value known only after another resource is created.
pub(super) const UNKNOWN: &str = "(known after apply)";

/// Values by path, such as `push_config.push_endpoint`, without empty ones.
pub(super) type Properties = BTreeMap<String, String>;

/// The differences, by path.
pub(super) fn differences(before: &Properties, after: &Properties) -> Vec<PropertyChange> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    changed
        .map(|path| PropertyChange {
            path: path.clone(),
            before: before.get(path).cloned(),
            after: after.get(path).cloned(),
        })
        .collect()
}

pub(super) fn of_labels<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Properties {
    let labels = labels.into_iter();
    labels.map(|(key, value)| (format!("labels.{key}"), value.clone())).collect()
}

pub(super) fn of_topic(topic: &Topic) -> Properties {
    of_labels(&topic.labels)
}

pub(super) fn of_subscription(subscription: &Subscription) -> Properties {
    let mut properties = of_labels(&subscription.labels);
    let mut set = |path: &str, value: String| {
        if !value.is_empty() {
            properties.insert(path.to_owned(), value);
        }
    };
    set("topic", subscription.topic.clone());
    set("ack_deadline_seconds", subscription.ack_deadline_seconds.to_string());
    let seconds = |duration: &Option<wkt::Duration>| duration.map(in_seconds).unwrap_or_default();
    set("message_retention_duration", seconds(&subscription.message_retention_duration));
    if let Some(policy) = &subscription.expiration_policy {
        set("expiration_policy.ttl", policy.ttl.map_or_else(|| "never".to_owned(), in_seconds));
    }
    if let Some(push) = &subscription.push_config {
        set("push_config.push_endpoint", push.push_endpoint.clone());
        if let Some(token) = push.oidc_token() {
            let account = token.service_account_email.clone();
            set("push_config.oidc_token.service_account_email", account);
        }
    }
    if let Some(policy) = &subscription.dead_letter_policy {
        set("dead_letter_policy.dead_letter_topic", policy.dead_letter_topic.clone());
        let attempts = policy.max_delivery_attempts.to_string();
        set("dead_letter_policy.max_delivery_attempts", attempts);
    }
    if let Some(policy) = &subscription.retry_policy {
        set("retry_policy.minimum_backoff", seconds(&policy.minimum_backoff));
        set("retry_policy.maximum_backoff", seconds(&policy.maximum_backoff));
    }
    properties
}

pub(super) fn of_service(service: &ServiceState) -> Properties {
    let mut properties = of_labels(&service.labels);
    properties.insert("binary".to_owned(), format!("sha256:{}", service.sha256));
    properties.insert("concurrency".to_owned(), service.concurrency.to_string());
    let env = service.env.iter();
    properties.extend(env.map(|(name, value)| (format!("env.{name}"), value.clone())));
    properties
}

pub(super) fn of_job(job: &Job) -> Properties {
    let mut properties = of_labels(&job.labels);
    properties.insert("uri".to_owned(), job.uri.clone());
    properties.insert("every_s".to_owned(), job.every_s.to_string());
    properties.insert("paused".to_owned(), job.paused.to_string());
    properties
}

impl From<&JobState> for Job {
    fn from(state: &JobState) -> Self {
        Self {
            uri: state.uri.clone(),
            every_s: state.every_s,
            paused: state.paused,
            labels: state.labels.clone(),
        }
    }
}

/// A duration as in Google's JSON, such as `1.5s`.
fn in_seconds(duration: wkt::Duration) -> String {
    let (seconds, nanos) = (duration.seconds(), duration.nanos());
    if nanos == 0 {
        return format!("{seconds}s");
    }
    let fraction = format!("{nanos:09}");
    format!("{seconds}.{}s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|&(path, value)| (path.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_differs_is_what_was_added_changed_or_taken_away() {
        let before = properties(&[("a", "1"), ("b", "1"), ("d", "1")]);
        let after = properties(&[("b", "2"), ("c", "1"), ("d", "1")]);
        let found = differences(&before, &after);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a: 1 -> ?", "b: 1 -> 2", "c: ? -> 1"]);
        assert_eq!(differences(&after, &after), []);
    }

    #[test]
    fn durations_are_written_as_google_writes_them() {
        assert_eq!(in_seconds(wkt::Duration::clamp(604_800, 0)), "604800s");
        assert_eq!(in_seconds(wkt::Duration::clamp(1, 250_000_000)), "1.25s");
        assert_eq!(in_seconds(wkt::Duration::clamp(0, 5_000_000)), "0.005s");
    }
}
