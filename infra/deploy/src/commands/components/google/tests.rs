//! The resources that would stop a destroy, with a fake Terraform program and a fake Cloud Storage server.

use std::path::Path;

use infra::Settings;
use serde_json::json;

use super::*;
use crate::served::Served;
use crate::terraform::fake::Fake;
use infra::Checkout;

/// The output of a destroy, whose plan removes a database and a bucket; and how program and server were called.
async fn destroyed(
    protection: &str,
    force_destroy: bool,
    objects: &'static str,
) -> (Result<(), Failure>, Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::new(&folder.path().join("fake"));
    let removed = |kind: &str, before: Value| {
        json!({
            "address": format!("{kind}.it"), "mode": "managed", "type": kind,
            "change": { "actions": ["delete"], "before": before },
        })
    };
    let changes = [
        removed(
            "google_firestore_database",
            json!({ "name": "(default)", "delete_protection_state": protection }),
        ),
        removed(
            "google_storage_bucket",
            json!({ "name": "archive", "force_destroy": force_destroy }),
        ),
    ];
    let shown = json!({ "applyable": true, "resource_changes": changes });
    fake.does("show", &format!("echo '{shown}'"));
    let site = site(folder.path(), &[format!("terraform.program={}", fake.program().display())]);
    std::fs::create_dir_all(folder.path().join("terraform-gcp")).expect("create");
    let root = Root::google(&site.checkout.root, &site.settings);
    let progress = Progress::default();
    let session = Session::open(&site, root, &progress).await.expect("it is ready");
    let plan = session.look(Purpose::Destroy).await.expect("planned");
    let served = Served::start(move |_, _| (200, objects.to_owned())).await;
    let storage = CloudStorage::open(Some(&served.url), Some("token")).expect("a client");
    let done = destroyable(&plan, Some(&storage)).await;
    (done, fake.calls(&["-lock", "-destroy"]), served.asked())
}

fn site(root: &Path, sets: &[String]) -> DeployContext {
    let text = include_str!("../../../../../../twincloud.toml");
    DeployContext {
        checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
        settings: Settings::parse(root, text, Some("dev"), sets, std::iter::empty())
            .expect("valid"),
        local: None,
        sets: sets.to_vec(),
    }
}

#[tokio::test]
async fn what_would_stop_half_way_is_refused_before_anything_is_touched() {
    let (refused, calls, asked) =
        destroyed("DELETE_PROTECTION_ENABLED", false, "{\"items\":[{}]}").await;
    let Err(Failure::Usage(error)) = refused else { panic!("{refused:?}") };
    let text = error.to_string();
    for words in [
        "the database (default) is protected, and the bucket archive holds objects",
        "`cargo xtask deploy gcp --set gcp.firestore.delete_protection=false --set gcp.archive.force_destroy=true`",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(calls, ["init", "plan -lock=false -destroy", "show"]);
    assert_eq!(asked, ["GET /b/archive/o?versions=true&maxResults=1"]);

    let (refused, ..) = destroyed("DELETE_PROTECTION_DISABLED", false, "{\"items\":[{}]}").await;
    let Err(Failure::Usage(error)) = refused else { panic!("{refused:?}") };
    assert!(!error.to_string().contains("delete_protection"), "{error}");
}

#[tokio::test]
async fn what_comes_to_its_end_is_not_refused() {
    let (done, ..) = destroyed("DELETE_PROTECTION_DISABLED", false, "{}").await;
    done.expect("it is empty");
    let (done, _, asked) = destroyed("DELETE_PROTECTION_DISABLED", true, "{\"items\":[{}]}").await;
    done.expect("what it holds goes with it");
    assert_eq!(asked, [""; 0]);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_before_anything_is_touched() {
    let removed = |kind: &str| Removed { resource_type: kind.to_owned(), before: Value::Null };
    let plan = Plan {
        root: "terraform-gcp".to_owned(),
        destroys: true,
        changes: Vec::new(),
        outputs: Vec::new(),
        drift: Vec::new(),
        removed: ["google_pubsub_topic", "google_service_account", "google_logging_metric"]
            .map(removed)
            .to_vec(),
        file: None,
    };
    let served =
        Served::start(|_, _| (200, "{\"permissions\":[\"pubsub.topics.delete\"]}".to_owned()));
    let served = served.await;
    let token = Token::find(Some("token")).expect("given");
    let missing = rights::missing(&served.url, &token, "p", &plan).await.expect("answered");
    assert_eq!(missing, ["iam.serviceAccounts.delete"]);
    let asked = "POST /v1/projects/p:testIamPermissions \
                 {\"permissions\":[\"pubsub.topics.delete\",\"iam.serviceAccounts.delete\"]}";
    assert_eq!(served.asked(), [asked]);
    let Err(Failure::Usage(error)) = permitted(&missing) else { panic!("it is refused") };
    assert!(error.to_string().contains("iam.serviceAccounts.delete"), "{error}");
    permitted(&[]).expect("all are there");
}

/// Returns the outputs found with these environment variables, and the calls of Terraform and of the server.
async fn found_with(
    variables: &[(&str, &str)],
    answer: (u16, &'static str),
) -> (Result<Observed, Failure>, Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::new(&folder.path().join("fake"));
    fake.does("output", "echo '{\"topic\":{\"value\":\"by Terraform\"}}'");
    let program = format!("terraform.program={}", fake.program().display());
    let site = site(folder.path(), &[program, "gcp.state.bucket=states".to_owned()]);
    std::fs::create_dir_all(folder.path().join("terraform-gcp")).expect("create");
    let served = Served::start(move |_, _| (answer.0, answer.1.to_owned())).await;
    let url = served.url.clone();
    let told = |name: &str| {
        let set = variables.iter().find(|(variable, _)| *variable == name);
        let endpoint = || (name == "GOOGLE_STORAGE_CUSTOM_ENDPOINT").then(|| url.clone());
        set.map(|(_, value)| (*value).to_owned()).or_else(endpoint)
    };
    let found = observe(&site, &told, &Progress::default()).await;
    (found, fake.calls(&[]), served.asked())
}

#[tokio::test]
async fn who_signs_in_as_only_terraform_can_has_the_outputs_read_by_it() {
    for variable in [
        "GOOGLE_CREDENTIALS",
        "GOOGLE_BACKEND_CREDENTIALS",
        "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",
        "GOOGLE_BACKEND_IMPERSONATE_SERVICE_ACCOUNT",
    ] {
        let (found, calls, asked) = found_with(&[(variable, "it")], (200, "{}")).await;
        let Ok(Observed::Deployed(outputs)) = found else { panic!("{variable}: {found:?}") };
        assert_eq!(outputs["topic"], "by Terraform", "{variable}");
        assert_eq!(calls, ["init", "output"], "{variable}");
        assert_eq!(asked, [""; 0], "{variable}");
    }
    // Terraform impersonates with a token as well.
    let both = [(ACCESS_TOKEN, "token"), ("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "it")];
    let (_, calls, _) = found_with(&both, (200, "{}")).await;
    assert_eq!(calls, ["init", "output"]);
}

#[tokio::test]
async fn with_a_token_the_state_is_read_without_the_program() {
    // A token has precedence over a key in Terraform as well.
    let both = [(ACCESS_TOKEN, "token"), ("GOOGLE_CREDENTIALS", "it")];
    let state = r#"{"generation":"1","outputs":{"topic":{"value":"by the state"}}}"#;
    let (found, calls, asked) = found_with(&both, (200, state)).await;
    let Ok(Observed::Deployed(outputs)) = found else { panic!("{found:?}") };
    assert_eq!(outputs["topic"], "by the state");
    assert_eq!(calls, [""; 0]);
    assert_eq!(asked.len(), 2, "{asked:?}");

    // A refusal is an error; Terraform is not called then.
    let (found, calls, _) = found_with(&both, (403, "denied")).await;
    let error = found.expect_err("it is refused").to_string();
    assert!(error.contains("403"), "{error}");
    assert_eq!(calls, [""; 0]);
}

#[test]
fn a_client_without_a_token_is_told_from_one_that_is_refused() {
    let none = || cloud_storage::Error::NoCredentials("no file".to_owned());
    assert!(lacks_token(&Failure::missing(none())));
    assert!(lacks_token(&Failure::from(none())));
    let place = "states/x".to_owned();
    let status = reqwest::StatusCode::FORBIDDEN;
    let refused = cloud_storage::Error::Refused { place, status, answer: String::new() };
    assert!(!lacks_token(&Failure::from(refused)));
}

#[tokio::test]
async fn a_status_takes_no_lock_and_applies_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::new(&folder.path().join("fake"));
    fake.does("state", "echo google_pubsub_topic.trades");
    fake.does("output", "echo '{\"replicate_image\":{\"value\":\"repository/image@sha256:1\"}}'");
    let site = site(folder.path(), &[format!("terraform.program={}", fake.program().display())]);
    std::fs::create_dir_all(folder.path().join("terraform-gcp")).expect("create");
    let root = Root::google(&site.checkout.root, &site.settings);
    let progress = Progress::default();
    let session = Session::open(&site, root, &progress).await.expect("it is ready");
    let mut status = CloudStatus::default();
    on_cloud_status(&session, &mut status).await.expect("it is told");
    assert_eq!(status.stack.as_deref(), Some("1 resources"));
    assert_eq!(status.drift, Some(0), "{:?}", status.problems);
    assert_eq!(status.replicate.as_deref(), Some(NO_PEER));
    let calls = fake.calls(&["-lock"]);
    assert_eq!(calls, ["init", "state list", "output", "plan -lock=false", "show"]);
}
