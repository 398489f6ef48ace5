//! From nothing to a deployment and back.

use std::collections::BTreeMap;

use candle::{Interval, Symbol};
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::google::{self, Desired, Run};
use deploy::local::run::{Service, ServiceState};
use deploy::plan::{Action, Change};
use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::SubscriptionAdmin;
use infra::Settings;
use pipeline::ports::{Archive as _, CandleStore as _, Queue as _};

use super::{Google, eventually, pack, script, settings};

const EVERY: [(&str, &str); 8] = [
    ("google_storage_bucket", "projects/_/buckets/blockchain-core-raw-data-local-twincloud-local"),
    ("google_pubsub_topic", "projects/twincloud-local/topics/blockchain-core-trade-data-dlq"),
    ("google_pubsub_topic", "projects/twincloud-local/topics/blockchain-core-trade-data"),
    (
        "google_pubsub_subscription",
        "projects/twincloud-local/subscriptions/blockchain-core-trade-data-dlq-pull",
    ),
    (
        "google_cloud_run_v2_service",
        "projects/twincloud-local/locations/us-central1/services/blockchain-core-ingest",
    ),
    (
        "google_pubsub_subscription",
        "projects/twincloud-local/subscriptions/blockchain-core-trade-data-push",
    ),
    (
        "google_cloud_run_v2_service",
        "projects/twincloud-local/locations/us-central1/services/blockchain-core-replicate",
    ),
    (
        "google_cloud_scheduler_job",
        "projects/twincloud-local/locations/us-central1/jobs/blockchain-core-replicate",
    ),
];

fn in_brief(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_applied_changed_by_hand_and_destroyed() {
    let google = Google::start().await;
    let before = settings(&[]);

    let plan = google.plan(&before).await;
    let named = |change: &Change| (change.resource_type.clone(), change.address.clone());
    let planned: Vec<_> = plan.changes.iter().map(named).collect();
    let every = EVERY.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    assert_eq!(planned, every);
    assert!(plan.changes.iter().all(|change| change.action == Action::Add));

    let outputs = google.apply(&before).await;
    assert_eq!(outputs["topic"], every[2].1);
    assert_eq!(outputs["subscription"], every[5].1);
    assert_eq!(outputs["bucket"], "blockchain-core-raw-data-local-twincloud-local");
    assert!(outputs["ingest_url"].starts_with("http://127.0.0.1:"), "{outputs:?}");
    assert!(outputs["replicate_url"].starts_with("http://127.0.0.1:"), "{outputs:?}");
    let plan = google.plan(&before).await;
    assert!(plan.is_empty(), "{plan}");
    let again = google.apply(&before).await;
    assert_eq!(again, outputs, "applied twice is applied once");

    let after = settings(&["gcp.pubsub.ack_deadline_s=20"]);
    let plan = google.plan(&after).await;
    let expected = format!(
        "deployment blockchain-core-local in project twincloud-local:\n\
         \x20 ~ {} (google_pubsub_subscription)\n\
         \x20     ack_deadline_seconds: 10 -> 20\n",
        every[5].1
    );
    assert_eq!(plan.to_string(), expected);
    google.apply(&after).await;
    let desired = google.desired(&after);
    let drift = google::drift(&desired, &google.endpoints).await.expect("drift");
    assert_eq!(drift, [], "nobody has changed anything");

    change_by_hand(&google, &every[5].1).await;
    let drift = google::drift(&desired, &google.endpoints).await.expect("drift");
    let expected = format!(
        "  ~ {} (google_pubsub_subscription)\n      ack_deadline_seconds: 20 -> 77\n",
        every[5].1
    );
    assert_eq!(in_brief(&drift), [expected]);

    let there = google::inventory(&after, &google.endpoints).await.expect("inventory");
    assert_eq!(there.len(), every.len(), "{there:?}");
    google.destroy(&after).await;
    google.destroy(&after).await;
    google.stop().await;
}

async fn change_by_hand(google: &Google, subscription: &str) {
    let admin = SubscriptionAdmin::builder()
        .with_endpoint(&google.endpoints.pubsub)
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await
        .expect("client");
    let read = admin.get_subscription().set_subscription(subscription).send();
    let changed = read.await.expect("read").set_ack_deadline_seconds(77);
    let mask = google_cloud_wkt::FieldMask::default().set_paths(["ack_deadline_seconds"]);
    let update = admin.update_subscription().set_subscription(changed).set_update_mask(mask);
    update.send().await.expect("update");
}

/// Each setting that something on Google's side is made of: the plan names what it changes, and is empty afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn every_setting_is_seen_and_settled() {
    let google = Google::start().await;
    google.apply(&settings(&[])).await;
    let (push, dead) = ("trade-data-push", "trade-data-dlq-pull");
    let cases: [(&[&str], &[&str]); 12] = [
        (&["gcp.pubsub.retention_s=86400"], &[dead, push]),
        (&["gcp.pubsub.max_delivery_attempts=9"], &[push]),
        (&["gcp.pubsub.min_backoff_ms=500", "gcp.pubsub.max_backoff_ms=2500"], &[push]),
        (&["gcp.ingest.concurrency=7"], &["services/blockchain-core-ingest"]),
        (
            &["trading.symbols=[\"ETHUSDT\"]"],
            &["core-ingest", "services/blockchain-core-replicate"],
        ),
        (
            &["gcp.firestore.collection=other"],
            &["core-ingest", "services/blockchain-core-replicate"],
        ),
        (&["gcp.replicate.schedule=*/7 * * * *"], &["jobs/blockchain-core-replicate"]),
        (&["gcp.replicate.paused=true"], &["jobs/blockchain-core-replicate"]),
        // Made anew: the old name goes, and so does what hangs on it.
        (&["gcp.pubsub.subscription=renamed"], &[push, "subscriptions/renamed"]),
        (
            &["gcp.pubsub.topic=renamed"],
            &["topics/blockchain-core-trade-data", "topics/renamed", push],
        ),
        (
            &["gcp.ingest.service=renamed"],
            &["services/blockchain-core-ingest", "services/renamed", push],
        ),
        // Labels are settled when a topic is made: the emulator refuses to be told again.
        (
            &["project.tags.team=data"],
            &["dlq", "topics/", dead, "core-ingest", push, "services/", "jobs/"],
        ),
    ];
    for (sets, expected) in cases {
        let after = settings(sets);
        let plan = google.plan(&after).await;
        eprintln!("{sets:?}: {plan}");
        let seen: Vec<_> = plan.changes.iter().map(|change| &change.address).collect();
        assert_eq!(seen.len(), expected.len(), "{sets:?}: {plan}");
        for (seen, part) in seen.iter().zip(expected) {
            assert!(seen.contains(part), "{sets:?}: {part} in {plan}");
        }
        google.apply(&after).await;
        let plan = google.plan(&after).await;
        assert!(plan.is_empty(), "after {sets:?}: {plan}");
        // And back.
        google.apply(&settings(&[])).await;
        let plan = google.plan(&settings(&[])).await;
        assert!(plan.is_empty(), "back from {sets:?}: {plan}");
    }
    google.destroy(&settings(&[])).await;
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_by_hand_is_drift_and_made_again() {
    let google = Google::start().await;
    let settings = settings(&[]);
    google.apply(&settings).await;
    let topic = infra::names::topic_path(&settings, &settings.gcp.pubsub.topic);
    let deleted = reqwest::Client::new().delete(format!("{}/v1/{topic}", google.endpoints.pubsub));
    assert!(deleted.send().await.expect("it answers").status().is_success());
    let run = Run::new(&google.endpoints.run).expect("a client");
    run.delete_service("blockchain-core-replicate").await.expect("delete");

    let desired = google.desired(&settings);
    let drift = google::drift(&desired, &google.endpoints).await.expect("drift");
    let removed = |part: &str| {
        let mut changes = drift.iter().filter(|change| change.action == Action::Remove);
        changes.any(|change| change.address.ends_with(part))
    };
    assert!(removed("topics/blockchain-core-trade-data"), "{drift:?}");
    assert!(removed("services/blockchain-core-replicate"), "{drift:?}");
    let orphan = drift.iter().find(|change| change.address.ends_with("trade-data-push"));
    let orphan = orphan.expect("its subscription has no topic").to_string();
    assert!(orphan.contains("-> _deleted-topic_"), "{orphan}");

    google.apply(&settings).await;
    assert!(google.plan(&settings).await.is_empty());
    google.destroy(&settings).await;
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_becomes_a_candle_and_destroy_takes_it_away() {
    let google = Google::start().await;
    let settings = settings(&[]);
    google.apply(&settings).await;
    let (gcp, pubsub) = (&settings.gcp, &settings.gcp.pubsub);
    let at = Some(google.endpoints.pubsub.as_str());
    let queue = PubSubQueue::connect(at, &gcp.project, &pubsub.topic, &pubsub.subscription);
    let store = FirestoreStore::connect(
        Some(&google.endpoints.firestore),
        &gcp.project,
        &gcp.firestore.database,
        &gcp.firestore.collection,
    );
    let (queue, store) = (queue.await.expect("the queue"), store.await.expect("the store"));
    let body =
        r#"{"v":1,"symbol":"BTCUSDT","trades":[[1,1723161255342,"61837.63","0.02",1]]}"#.to_owned();
    let published = queue.publish(vec![body]).await;
    published.into_iter().next().expect("an answer").expect("it is published");

    let symbol: Symbol = "BTCUSDT".parse().expect("a symbol");
    let interval: Interval = "1m".parse().expect("an interval");
    let candles = eventually("candle", async || {
        let candles = store.scan(&symbol, interval).await.map_err(|error| error.to_string())?;
        if candles.is_empty() { Err("no candle".to_owned()) } else { Ok(candles) }
    });
    assert_eq!(candles.await.len(), 1);
    let bucket = infra::names::gcp_bucket(&settings);
    let archive = GcsArchive::connect(Some(&google.endpoints.storage), &bucket).await;
    let archived = archive.expect("the archive").list("trades/v1", None, 10).await.expect("list");
    assert_eq!(archived.len(), 1, "{archived:?}");

    google.destroy(&settings).await;
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_objects_and_old_versions_is_destroyed() {
    let google = Google::start().await;
    let before = settings(&[]);
    google.apply(&before).await;
    let bucket = infra::names::gcp_bucket(&before);
    let url = format!(
        "{}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=an%20object",
        google.endpoints.storage
    );
    // Twice: an old version is there too.
    for content in ["before", "after"] {
        let upload = reqwest::Client::new().post(&url).body(content).send().await.expect("upload");
        assert!(upload.status().is_success());
    }

    // Which also looks for what is left.
    google.destroy(&before).await;
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_start_says_why_and_the_one_before_goes_on() {
    let google = Google::start().await;
    let settings = settings(&[]);
    google.apply(&settings).await;
    let run = Run::new(&google.endpoints.run).expect("a client");
    let name = &settings.gcp.ingest.service;
    let before = run.service(name).await.expect("read").expect("it is there");

    let broken = google.folder.path().join("broken");
    script(&broken, "echo the reason is this >&2; exit 4");
    pack(&google.artifacts, &broken);
    let plan = google.plan(&settings).await;
    assert_eq!(plan.changes.len(), 2, "{plan}");
    let apply = google.try_apply(&plan, &settings);
    let error = apply.await.expect_err("it doesn't start").to_string();
    assert!(error.contains(name) && error.contains("the reason is this"), "{error}");
    assert!(error.contains("exit code 4"), "{error}");
    let after = run.service(name).await.expect("read").expect("it is there");
    assert_eq!(after, before);
    google.destroy(&settings).await;
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_that_are_not_there_or_not_right_are_named() {
    let google = Google::start().await;
    let desired = |settings: &Settings| {
        Desired::new(settings, &google.artifacts, &google.endpoints, &BTreeMap::default())
    };
    let schedule = settings(&["gcp.replicate.schedule=0 4 * * 1"]);
    let error = desired(&schedule).expect_err("no period").to_string();
    assert!(error.contains("gcp.replicate.schedule"), "{error}");

    std::fs::write(google.artifacts.join("gcp-ingest/program"), "another").expect("write");
    let error = desired(&settings(&[])).expect_err("changed").to_string();
    assert!(error.contains("manifest.json"), "{error}");
    std::fs::write(google.artifacts.join("manifest.json"), r#"{"schema":1,"artifacts":[]}"#)
        .expect("write");
    let error = desired(&settings(&[])).expect_err("no binary").to_string();
    assert!(error.contains("gcp-ingest") && error.contains("cargo xtask build"), "{error}");
    std::fs::remove_file(google.artifacts.join("manifest.json")).expect("remove");
    let error = desired(&settings(&[])).expect_err("no manifest").to_string();
    assert!(error.contains("cargo xtask build"), "{error}");
    google.stop().await;
}

/// The engine compares what it gets back with what it asked for.
#[tokio::test(flavor = "multi_thread")]
async fn someone_else_s_service_of_another_deployment_stays() {
    let google = Google::start().await;
    let settings = settings(&[]);
    let run = Run::new(&google.endpoints.run).expect("a client");
    let service = Service {
        binary: super::service_binary(),
        env: service_env(&google, &settings),
        concurrency: 1,
        labels: [("project".to_owned(), "another".to_owned())].into(),
    };
    let ServiceState { name, .. } = run.put_service("another", &service).await.expect("it starts");
    google.apply(&settings).await;
    google.destroy(&settings).await;
    assert!(run.service(&name).await.expect("read").is_some(), "it isn't ours");
    google.stop().await;
}

pub(super) fn service_env(google: &Google, settings: &Settings) -> BTreeMap<String, String> {
    let mut env = settings.gcp_function_env();
    env.extend(google.endpoints.variables());
    env
}
