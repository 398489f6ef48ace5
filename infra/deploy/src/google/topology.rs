//! The wanted topics and subscriptions.

use google_cloud_pubsub::model::push_config::OidcToken;
use google_cloud_pubsub::model::{
    DeadLetterPolicy, ExpirationPolicy, PushConfig, RetryPolicy, Subscription, Topic,
};
use google_cloud_wkt as wkt;
use infra::render::tags;
use infra::{Settings, names};
use serde::Serialize;

/// Pub/Sub's longest acknowledgement deadline, for dead letters that an operator pulls, in seconds.
const DEAD_LETTER_ACK_DEADLINE_S: i32 = 600;

/// The target of pushed messages.
#[derive(Clone, Copy, Debug)]
pub struct PushTarget<'a> {
    /// The service's URL.
    pub url: &'a str,
    /// The service account whose token goes along. An emulator sends none.
    pub service_account: Option<&'a str>,
}

/// The full names of topics and subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// The topic of trades.
    pub topic: String,
    /// Its push subscription.
    pub subscription: String,
    /// The topic of dead letters.
    pub dead_letter_topic: String,
    /// The pull subscription that keeps them.
    pub dead_letter_subscription: String,
}

impl Topology {
    /// The names in the settings.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let pubsub = &settings.gcp.pubsub;
        let subscription = |name| names::subscription_path(settings, name);
        Self {
            topic: names::topic_path(settings, &pubsub.topic),
            subscription: subscription(&pubsub.subscription),
            dead_letter_topic: names::topic_path(settings, &pubsub.dead_letter_topic),
            dead_letter_subscription: subscription(&pubsub.dead_letter_subscription),
        }
    }
}

/// Both topics, the one of dead letters first.
pub(super) fn topics(settings: &Settings, topology: &Topology) -> [Topic; 2] {
    [&topology.dead_letter_topic, &topology.topic]
        .map(|name| Topic::new().set_name(name).set_labels(tags(settings)))
}

pub(super) fn push_subscription(
    settings: &Settings,
    topology: &Topology,
    push: PushTarget<'_>,
) -> Subscription {
    let pubsub = &settings.gcp.pubsub;
    let mut config = PushConfig::new().set_push_endpoint(push.url);
    if let Some(account) = push.service_account {
        config = config.set_oidc_token(OidcToken::new().set_service_account_email(account));
    }
    let dead_letters = DeadLetterPolicy::new()
        .set_dead_letter_topic(&topology.dead_letter_topic)
        .set_max_delivery_attempts(signed(pubsub.max_delivery_attempts));
    // Without a policy, Pub/Sub redelivers at once.
    let retry = (pubsub.max_backoff_ms > 0).then(|| {
        RetryPolicy::new()
            .set_minimum_backoff(milliseconds(pubsub.min_backoff_ms))
            .set_maximum_backoff(milliseconds(pubsub.max_backoff_ms))
    });
    kept(settings, &topology.subscription, &topology.topic)
        .set_push_config(config)
        .set_ack_deadline_seconds(signed(pubsub.ack_deadline_s))
        .set_dead_letter_policy(dead_letters)
        .set_or_clear_retry_policy(retry)
}

pub(super) fn dead_letter_subscription(settings: &Settings, topology: &Topology) -> Subscription {
    kept(settings, &topology.dead_letter_subscription, &topology.dead_letter_topic)
        .set_ack_deadline_seconds(DEAD_LETTER_ACK_DEADLINE_S)
}

/// A subscription that doesn't expire, however long it is unused.
fn kept(settings: &Settings, name: &str, topic: &str) -> Subscription {
    Subscription::new()
        .set_name(name)
        .set_topic(topic)
        .set_labels(tags(settings))
        .set_message_retention_duration(wkt::Duration::clamp(
            i64::from(settings.gcp.pubsub.retention_s),
            0,
        ))
        .set_expiration_policy(ExpirationPolicy::new())
}

fn milliseconds(count: u32) -> wkt::Duration {
    // Below a thousand, so it fits.
    let nanos = signed(count % 1_000) * 1_000_000;
    wkt::Duration::clamp(i64::from(count / 1_000), nanos)
}

/// Pub/Sub uses signed numbers. The settings' limits are far below where that would matter.
fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_become_seconds_and_nanoseconds() {
        assert_eq!(milliseconds(0), wkt::Duration::clamp(0, 0));
        assert_eq!(milliseconds(1_250), wkt::Duration::clamp(1, 250_000_000));
    }
}
