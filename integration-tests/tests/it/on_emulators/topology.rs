//! Google's topics, subscriptions and bucket on the emulators.

use std::path::Path;

use deploy::google::{PushTarget, create_bucket, ensure_topology};
use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::SubscriptionAdmin;
use harness::processes::emulators;
use infra::Settings;

use super::emulator_context;

fn settings(sets: &[&str]) -> Settings {
    let text = include_str!("../../../../twincloud.toml");
    let mut sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    sets.push(format!("project.prefix=t-{}", std::process::id()));
    Settings::parse(Path::new("twincloud.toml"), text, Some("local"), &sets, std::iter::empty())
        .expect("valid")
}

#[tokio::test]
async fn made_once_and_changed_in_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = emulators::pubsub::start(&context).await.expect("the emulator starts");
    let endpoint = &emulator.endpoint;
    let push = |url| PushTarget { url, service_account: None };
    let before = settings(&[]);
    let topology =
        Box::pin(ensure_topology(Some(endpoint), &before, push("http://127.0.0.1:1/before")))
            .await
            .expect("make");
    let after = settings(&[
        "gcp.pubsub.ack_deadline_s=20",
        "gcp.pubsub.max_backoff_ms=1500",
        "gcp.pubsub.max_delivery_attempts=7",
    ]);
    let again = Box::pin(ensure_topology(Some(endpoint), &after, push("http://127.0.0.1:1/after")))
        .await
        .expect("change");
    assert_eq!(topology, again);

    let admin = SubscriptionAdmin::builder()
        .with_endpoint(endpoint)
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await
        .expect("client");
    let read = |name: &str| admin.get_subscription().set_subscription(name).send();
    let push = read(&topology.subscription).await.expect("read");
    assert_eq!(push.topic, topology.topic);
    assert_eq!(push.ack_deadline_seconds, 20);
    assert_eq!(push.push_config.expect("push").push_endpoint, "http://127.0.0.1:1/after");
    let dead = push.dead_letter_policy.expect("dead letters");
    assert_eq!(
        (dead.dead_letter_topic, dead.max_delivery_attempts),
        (topology.dead_letter_topic.clone(), 7)
    );
    let retry = push.retry_policy.expect("retry");
    let backoff = retry.maximum_backoff.expect("backoff");
    assert_eq!((backoff.seconds(), backoff.nanos()), (1, 500_000_000));

    let pull = read(&topology.dead_letter_subscription).await.expect("read");
    assert_eq!(pull.topic, topology.dead_letter_topic);
    assert!(pull.push_config.is_none_or(|push| push.push_endpoint.is_empty()));
}

#[tokio::test]
async fn a_bucket_is_made_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = emulators::fake_gcs::start(&context).await.expect("the emulator starts");
    let endpoint = &emulator.endpoint;
    let settings = settings(&[]);
    let bucket = create_bucket(endpoint, &settings).await.expect("make");
    assert_eq!(bucket, create_bucket(endpoint, &settings).await.expect("it is there already"));
}

#[tokio::test]
async fn an_emulator_that_is_not_there_is_an_error_with_the_endpoint_to_check() {
    let error = create_bucket("http://127.0.0.1:9", &settings(&[])).await.expect_err("no endpoint");
    assert!(error.to_string().contains("check the endpoint"), "{error}");
}
