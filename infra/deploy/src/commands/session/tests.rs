//! Errors after which an apply is repeated, and others, with a fake Terraform program.

use std::path::Path;

use infra::{Checkout, Settings};
use serde_json::json;

use super::*;
use crate::terraform::fake::{Fake, diagnostic};

/// As reported in hashicorp/terraform-provider-google #11102.
const METRIC: &str = "Error creating AlertPolicy: googleapi: Error 404: Cannot find metric(s) that match type = \
    \"logging.googleapis.com/user/failed\". If a metric was created recently, it could take up to 10 minutes to become \
    available. Please try again soon.";
const ACCOUNT: &str =
    "googleapi: Error 400: Service account ingest@p.iam.gserviceaccount.com does not exist.";
const ONCE: [&str; 4] = ["init", "plan", "show", "apply"];

fn site(root: &Path, sets: &[String]) -> DeployContext {
    let text = include_str!("../../../../../twincloud.toml");
    DeployContext {
        checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
        settings: Settings::parse(root, text, Some("dev"), sets, std::iter::empty())
            .expect("valid"),
        local: None,
        sets: sets.to_vec(),
    }
}

/// Deploys Google's root with a fake program that `tell` configures; returns its calls.
async fn deployed(tell: impl FnOnce(&Fake), limit: Duration) -> (Result<(), Failure>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::new(&folder.path().join("fake"));
    let alert = json!({
        "address": "google_monitoring_alert_policy.failed", "mode": "managed",
        "type": "google_monitoring_alert_policy", "change": { "actions": ["create"] },
    });
    fake.does(
        "show",
        &format!("echo '{}'", json!({ "applyable": true, "resource_changes": [alert] })),
    );
    tell(&fake);
    let site = site(folder.path(), &[format!("terraform.program={}", fake.program().display())]);
    std::fs::create_dir_all(folder.path().join("terraform-gcp")).expect("create");
    let root = Root::google(&site.checkout.root, &site.settings);
    let progress = Progress::default();
    let mut session = Session::open(&site, root, &progress).await.expect("it is ready");
    let pause = Duration::from_millis(1);
    session.patience = Patience { first: pause, longest: pause * 4, limit };
    let done = session.deploy(&site, true).await;
    (done, fake.calls(&[]))
}

#[tokio::test]
async fn what_the_cloud_does_not_know_yet_is_applied_again() {
    let tell = |fake: &Fake| {
        fake.fails("apply-1", &diagnostic(METRIC, Some("google_monitoring_alert_policy.failed")));
    };
    let (done, calls) = deployed(tell, Duration::from_mins(1)).await;
    done.expect("the second time it is known");
    assert_eq!(calls, [&ONCE[..], &ONCE[1..]].concat());
}

#[tokio::test]
async fn another_error_is_not_repeated() {
    for error in ["googleapi: Error 403: The caller does not have permission", ACCOUNT] {
        let tell = |fake: &Fake| fake.fails("apply", &diagnostic(error, Some("a.b")));
        let (done, calls) = deployed(tell, Duration::from_mins(1)).await;
        assert!(matches!(done, Err(Failure::Failed(_))), "{error}");
        assert_eq!(calls, ONCE, "{error}");
    }
}

#[tokio::test]
async fn an_account_that_was_made_just_before_is_waited_for() {
    let made = json!({
        "type": "apply_complete",
        "hook": {
            "resource": { "addr": "google_service_account.ingest" }, "action": "create", "id_value": "id",
            "elapsed_seconds": 1,
        },
    });
    let said = format!("{made}\n{}", diagnostic(ACCOUNT, Some("a.b")));
    let tell = |fake: &Fake| fake.fails("apply-1", &said);
    let (done, calls) = deployed(tell, Duration::from_mins(1)).await;
    done.expect("the second time it is known");
    assert_eq!(calls, [&ONCE[..], &ONCE[1..]].concat());
}

#[tokio::test]
async fn what_is_never_known_is_given_up() {
    let tell = |fake: &Fake| fake.fails("apply", &diagnostic(METRIC, Some("a.b")));
    let (done, calls) = deployed(tell, Duration::from_millis(1)).await;
    let error = done.expect_err("it is never known").to_string();
    assert!(error.contains("run the same command again then"), "{error}");
    assert_eq!(calls, ONCE, "the time is over");
}

#[test]
fn grants_are_told_by_their_type() {
    let root = include_str!("../../../../../terraform-gcp/modules/pipeline/services.tf");
    assert!(root.contains(r#"resource "google_cloud_run_v2_service_iam_member" "invoker""#));
    let member = "module.pipeline.google_cloud_run_v2_service_iam_member.invoker[\"ingest\"]";
    let role = "module.pipeline.google_project_iam_custom_role.candles";
    assert!(gives_rights("create", member) && !gives_rights("delete", member));
    assert!(gives_rights("update", role) && !gives_rights("create", role));
    assert!(!gives_rights("create", "module.pipeline.google_cloud_run_v2_service.ingest[0]"));
}
