//! Google's topics, subscriptions and bucket from the settings. On Google Cloud itself they belong to
//! Terraform; here they are made on emulators, out of the very values that Terraform gets.

use std::time::Duration;

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error as ApiError;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::push_config::OidcToken;
use google_cloud_pubsub::model::{
    DeadLetterPolicy, ExpirationPolicy, PushConfig, RetryPolicy, Subscription,
};
use google_cloud_wkt as wkt;
use infra::{Settings, names};
use serde::Serialize;

/// How long one call may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pub/Sub's longest acknowledgement deadline, for dead letters that a person pulls, in seconds.
const DEAD_LETTER_ACK_DEADLINE_S: i32 = 600;

/// Why Google's side isn't what the settings say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client could be built.
    #[error(
        "open Pub/Sub at {endpoint}: {problem}; check the endpoint, and the credentials with `gcloud auth application-default login`"
    )]
    Client {
        /// The endpoint, or Google's own.
        endpoint: String,
        /// What went wrong.
        problem: String,
    },
    /// A call was refused.
    #[error("{action} {name}: {source}")]
    Call {
        /// What was being done.
        action: &'static str,
        /// The full name of the topic or subscription.
        name: String,
        /// What came back.
        source: Box<ApiError>,
    },
    /// A call wasn't answered.
    #[error("{action} {name}: no answer within {} s; check the endpoint", CALL_TIMEOUT.as_secs())]
    NoAnswer {
        /// What was being done.
        action: &'static str,
        /// The full name of the topic or subscription.
        name: String,
    },
    /// The request for a bucket didn't come through.
    #[error("create bucket {bucket}: {source}; check the endpoint")]
    Request {
        /// The bucket.
        bucket: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The bucket couldn't be made.
    #[error("create bucket {bucket}: {status}: {answer}")]
    Refused {
        /// The bucket.
        bucket: String,
        /// The HTTP status.
        status: u16,
        /// What came back.
        answer: String,
    },
}

/// Where messages are pushed to.
#[derive(Clone, Copy, Debug)]
pub struct PushTarget<'a> {
    /// The service's URL.
    pub url: &'a str,
    /// The service account whose token goes along. An emulator sends none.
    pub service_account: Option<&'a str>,
}

/// The full names of what was made.
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

/// Makes the topics and subscriptions that the settings name, or makes those that are there what
/// the settings say. `endpoint` is an emulator's URL; none is Google Cloud.
///
/// On Google Cloud, dead letters also need Pub/Sub's own service agent to be allowed to publish them;
/// Terraform sees to that.
pub async fn ensure_topology(
    endpoint: Option<&str>,
    settings: &Settings,
    push: PushTarget<'_>,
) -> Result<Topology, Error> {
    let pubsub = &settings.gcp.pubsub;
    let topology = Topology {
        topic: names::topic_path(settings, &pubsub.topic),
        subscription: names::subscription_path(settings, &pubsub.subscription),
        dead_letter_topic: names::topic_path(settings, &pubsub.dead_letter_topic),
        dead_letter_subscription: names::subscription_path(
            settings,
            &pubsub.dead_letter_subscription,
        ),
    };
    let admin = Admin::new(endpoint).await?;
    admin.ensure_topic(&topology.dead_letter_topic).await?;
    admin.ensure_topic(&topology.topic).await?;
    admin.ensure_subscription(dead_letter_subscription(settings, &topology)).await?;
    admin.ensure_subscription(push_subscription(settings, &topology, push)).await?;
    Ok(topology)
}

/// Makes the raw archive's bucket on an emulator of Cloud Storage, and gives its name. One that is
/// there is success.
pub async fn create_bucket(endpoint: &str, settings: &Settings) -> Result<String, Error> {
    let bucket = names::gcp_bucket(settings);
    let failed = |source| Error::Request { bucket: bucket.clone(), source };
    let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build().map_err(failed)?;
    let answer = client
        .post(format!("{}/storage/v1/b", endpoint.trim_end_matches('/')))
        .query(&[("project", &settings.gcp.project)])
        .json(&serde_json::json!({ "name": bucket, "location": settings.gcp.region }))
        .send()
        .await
        .map_err(failed)?;
    let status = answer.status();
    if status.is_success() || status == reqwest::StatusCode::CONFLICT {
        return Ok(bucket);
    }
    let answer = answer.text().await.map_err(failed)?;
    Err(Error::Refused { bucket, status: status.as_u16(), answer })
}

fn push_subscription(
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

fn dead_letter_subscription(settings: &Settings, topology: &Topology) -> Subscription {
    kept(settings, &topology.dead_letter_subscription, &topology.dead_letter_topic)
        .set_ack_deadline_seconds(DEAD_LETTER_ACK_DEADLINE_S)
}

/// A subscription that doesn't expire, however long nobody asks for its messages.
fn kept(settings: &Settings, name: &str, topic: &str) -> Subscription {
    Subscription::new()
        .set_name(name)
        .set_topic(topic)
        .set_message_retention_duration(wkt::Duration::clamp(
            i64::from(settings.gcp.pubsub.retention_s),
            0,
        ))
        .set_expiration_policy(ExpirationPolicy::new())
}

struct Admin {
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
}

impl Admin {
    async fn new(endpoint: Option<&str>) -> Result<Self, Error> {
        let (mut topics, mut subscriptions) = (TopicAdmin::builder(), SubscriptionAdmin::builder());
        if let Some(endpoint) = endpoint {
            let anonymous = anonymous::Builder::new().build();
            topics = topics.with_endpoint(endpoint).with_credentials(anonymous.clone());
            subscriptions = subscriptions.with_endpoint(endpoint).with_credentials(anonymous);
        }
        let failed = |error: google_cloud_gax::client_builder::Error| Error::Client {
            endpoint: endpoint.unwrap_or("pubsub.googleapis.com").to_owned(),
            problem: error.to_string(),
        };
        Ok(Self {
            topics: topics.build().await.map_err(failed)?,
            subscriptions: subscriptions.build().await.map_err(failed)?,
        })
    }

    async fn ensure_topic(&self, name: &str) -> Result<(), Error> {
        let create = self.topics.create_topic().set_name(name).send();
        match bounded("create topic", name, create).await {
            Err(Error::Call { source, .. }) if already_exists(&source) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn ensure_subscription(&self, subscription: Subscription) -> Result<(), Error> {
        let name = subscription.name.clone();
        let create =
            self.subscriptions.create_subscription().with_request(subscription.clone()).send();
        match bounded("create subscription", &name, create).await {
            Err(Error::Call { source, .. }) if already_exists(&source) => {
                let update = self
                    .subscriptions
                    .update_subscription()
                    .set_update_mask(wkt::FieldMask::default().set_paths(mutable(&subscription)))
                    .set_subscription(subscription)
                    .send();
                bounded("update subscription", &name, update).await.map(drop)
            }
            other => other.map(drop),
        }
    }
}

/// What of a subscription is set here and can be changed after it was made. That it doesn't expire is
/// settled when it is made: the emulator refuses to be told again.
fn mutable(subscription: &Subscription) -> Vec<&'static str> {
    let mut paths = vec!["ack_deadline_seconds", "message_retention_duration"];
    if subscription.push_config.is_some() {
        paths.extend(["push_config", "dead_letter_policy", "retry_policy"]);
    }
    paths
}

async fn bounded<T>(
    action: &'static str,
    name: &str,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|source| Error::Call {
            action,
            name: name.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(Error::NoAnswer { action, name: name.to_owned() }),
    }
}

fn already_exists(error: &ApiError) -> bool {
    error.status().is_some_and(|status| status.code == Code::AlreadyExists)
}

fn milliseconds(count: u32) -> wkt::Duration {
    // Below a thousand, so it fits.
    let nanos = signed(count % 1_000) * 1_000_000;
    wkt::Duration::clamp(i64::from(count / 1_000), nanos)
}

/// Pub/Sub counts in signed numbers. The settings' limits are far below where that would matter.
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
