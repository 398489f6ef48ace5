//! Messages of Terraform 1.11 for each of these failures.

use std::path::Path;

use super::*;
use crate::terraform::Limits;

const LOCKED: &str = r#"{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Error acquiring the state lock","detail":"Error message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: 1047, api error PreconditionFailed: At least one of the pre-conditions you specified did not hold\nLock Info:\n  ID:        4c4a6a5c-1111-2222-3333-444455556666\n  Path:      state/terraform/terraform.tfstate\n  Operation: OperationTypeApply\n  Who:       alice@laptop\n  Version:   1.11.4\n  Created:   2026-11-25 16:00:00.123456 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock to protect the state from being written\nby multiple users at the same time."}}"#;
const HALTED: &str = r#"{"type":"diagnostic","diagnostic":{"severity":"error","summary":"execution halted","detail":""}}"#;

fn diagnostic(summary: &str, detail: &str, address: Option<&str>) -> String {
    serde_json::json!({
        "type": "diagnostic",
        "diagnostic": { "severity": "error", "summary": summary, "detail": detail, "address": address },
    })
    .to_string()
}

fn error(stdout: &str, stderr: &str) -> Error {
    after(&ended(stdout, stderr, false, LockAfter::Gone))
}

fn ended(stdout: &str, stderr: &str, interrupted: bool, lock: LockAfter) -> Ended {
    Ended {
        success: false,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        interrupted,
        lock,
        folder: "none".into(),
    }
}

fn after(ended: &Ended) -> Error {
    let terraform = Terraform {
        program: "/usr/bin/terraform".into(),
        version: "1.11.4".to_owned(),
        plugin_dir: None,
        limits: Limits::default(),
    };
    let root =
        Root::new("terraform", Path::new("terraform"), Path::new("outputs/work/dev/terraform"));
    of_run(&terraform, &root, "apply", ended)
}

#[test]
fn a_lock_says_whose_it_is_since_when_and_what_takes_it_off() {
    let error = error(LOCKED, "");
    assert_eq!(
        error.to_string(),
        "apply terraform: its state is locked by alice@laptop since 2026-11-25 16:00:00.123456 +0000 \
         (apply, lock 4c4a6a5c-1111-2222-3333-444455556666), which 60 s of waiting didn't change; \
         run the same command again when that is over; if it was killed, \
         `terraform -chdir=outputs/work/dev/terraform force-unlock 4c4a6a5c-1111-2222-3333-444455556666`"
    );
}

#[test]
fn the_first_error_comes_first_with_its_resource() {
    let stdout = [
        HALTED.to_owned(),
        diagnostic(
            "creating SNS Topic (alerts):\n api error InvalidParameter: no.",
            "",
            Some("module.observability.aws_sns_topic.alerts"),
        ),
        diagnostic("creating KMS Key", "", Some("aws_kms_key.main")),
    ];
    let error = error(&stdout.join("\n"), "");
    assert_eq!(
        error.to_string(),
        "apply terraform: module.observability.aws_sns_topic.alerts: creating SNS Topic (alerts): api error InvalidParameter: no \
         (and one more error); mend that, then run the same command again: what was done stays done"
    );
}

#[test]
fn a_state_that_could_not_be_saved_comes_before_what_failed_before_it() {
    let stdout = [
        diagnostic("creating KMS Key", "", Some("aws_kms_key.main")),
        diagnostic("Failed to save state", "Error saving state: failed to upload state", None),
    ];
    let error = error(&stdout.join("\n"), "");
    let text = error.to_string();
    assert!(
        text.contains("terraform -chdir=outputs/work/dev/terraform state push errored.tfstate"),
        "{text}"
    );
}

#[test]
fn errors_in_boxes_are_read_too() {
    let text =
        "╷\n│ Error: Failed to read the file\n│ \n│ open plan: no such file\n│ or directory\n╵\n";
    let text = error("", text).to_string();
    assert!(
        text.contains(
            "apply terraform: Failed to read the file open plan: no such file or directory;"
        ),
        "{text}"
    );
}

#[test]
fn each_way_to_fail_has_its_own_next_step() {
    let cases = [
        (
            diagnostic("Saved plan is stale", "The given plan file can no longer be applied", None),
            "run the same command again to plan anew",
        ),
        (
            diagnostic(
                "Failed to query available provider packages",
                "could not connect to registry.terraform.io: failed to request discovery document: dial tcp: no such host",
                None,
            ),
            "TWINCLOUD_TERRAFORM__PLUGIN_DIR=DIR",
        ),
        (
            diagnostic(
                "Missing Required Value",
                "The attribute \"bucket\" is required by the backend.",
                None,
            ),
            "--set aws.state.bucket=BUCKET",
        ),
        (
            diagnostic(
                "Failed to get existing workspaces: S3 bucket \"none\" does not exist.\n\nThe referenced S3 bucket must have been previously created.",
                "",
                None,
            ),
            "the bucket of its state isn't there",
        ),
        (
            diagnostic(
                "Backend configuration changed",
                "A change in the backend configuration has been detected",
                None,
            ),
            "init -migrate-state",
        ),
        (
            diagnostic(
                "No valid credential sources found",
                "failed to refresh cached credentials",
                None,
            ),
            "sign in",
        ),
        (
            diagnostic(
                "validating provider credentials: StatusCode: 403, InvalidClientTokenId",
                "",
                None,
            ),
            "sign in",
        ),
        (
            diagnostic(
                "Unable to list objects: dial tcp 127.0.0.1:1: connect: connection refused",
                "",
                None,
            ),
            "check the network",
        ),
        (
            diagnostic(
                "creating IAM Role (deploy): StatusCode: 409, EntityAlreadyExists: Role with name deploy already exists.",
                "",
                Some("aws_iam_role.deploy[0]"),
            ),
            "import aws_iam_role.deploy[0] ID",
        ),
    ];
    for (said, step) in cases {
        let text = error(&said, "").to_string();
        assert!(text.contains(step), "no `{step}` in: {text}");
    }
}

#[test]
fn a_lock_that_was_not_let_go_comes_before_having_been_told_to_stop() {
    let said = diagnostic("Error releasing the state lock", "context canceled", None);
    let cases = [
        (said.as_str(), LockAfter::Gone, "interrupted; the state is saved and the lock is gone; "),
        (HALTED, LockAfter::Gone, "interrupted; the state is saved and the lock is gone; "),
        (HALTED, LockAfter::Unknown, "interrupted; the state is saved; run the same command again"),
        (
            said.as_str(),
            LockAfter::Unknown,
            "interrupted, and the program did not let go of the state's lock: Error releasing the state lock \
             context canceled; run the same command again: it takes off a lock that is still held",
        ),
        (
            HALTED,
            LockAfter::Held("4c4a".to_owned()),
            "interrupted, and the program did not let go of the state's lock; run the same command again, which takes it off; \
             if that doesn't, `terraform -chdir=outputs/work/dev/terraform force-unlock 4c4a`",
        ),
    ];
    for (said, lock, expected) in cases {
        let text = after(&ended(said, "", true, lock.clone())).to_string();
        assert!(text.starts_with(&format!("apply terraform: {expected}")), "{lock:?}: {text}");
    }
}

/// As users have reported them; see `NOT_YET`.
const METRIC: &str = "Error creating AlertPolicy: googleapi: Error 404: Cannot find metric(s) that match type = \
    \"logging.googleapis.com/user/error_total\". If a metric was created recently, it could take up to 10 minutes to become \
    available. Please try again soon.";
const AGENT: &str = "Error applying IAM policy for pubsub topic \"projects/p/topics/t\": Error setting IAM policy for pubsub topic \
    \"projects/p/topics/t\": googleapi: Error 400: Service account \
    service-802491271465@gcp-sa-pubsub.iam.gserviceaccount.com does not exist.";

#[test]
fn what_passes_by_itself_is_told_from_what_does_not() {
    let said = |summaries: &[&str]| {
        let lines: Vec<_> =
            summaries.iter().map(|summary| diagnostic(summary, "", Some("a.b"))).collect();
        error(&lines.join("\n"), "")
    };
    for (summaries, expected) in [
        (vec![METRIC], None),
        (vec![AGENT], None),
        (vec![AGENT, METRIC], None),
        (
            vec![
                "googleapi: Error 400: Database ID '(default)' is not available in project 'p'. Please retry in 214 seconds.",
            ],
            None,
        ),
        (
            vec![
                METRIC,
                "googleapi: Error 400: Service account ingest@p.iam.gserviceaccount.com does not exist., badRequest",
            ],
            Some("google_service_account"),
        ),
        (
            vec![
                "googleapi: Error 403: Permission 'iam.serviceaccounts.actAs' denied on service account a@p (or it may not exist).",
            ],
            Some("google_service_account"),
        ),
    ] {
        let error = said(&summaries);
        assert!(
            matches!(&error, Error::NotYet { after, .. } if *after == expected),
            "{summaries:?}: {error}"
        );
    }
    for summaries in [
        vec![METRIC, "googleapi: Error 403: Permission 'pubsub.topics.create' denied."],
        vec![
            "googleapi: Error 404: Cannot find metric(s) that match type = \"custom.googleapis.com/x\".",
        ],
        vec!["googleapi: Error 403: The caller does not have permission"],
    ] {
        let error = said(&summaries);
        assert!(matches!(error, Error::Failed { .. }), "{summaries:?}: {error}");
    }
}

#[test]
fn a_name_that_the_cloud_keeps_for_a_while_is_no_case_for_an_import_alone() {
    let pool = diagnostic(
        "Error creating WorkloadIdentityPool: googleapi: Error 409: Requested entity already exists",
        "",
        Some("module.federation.google_iam_workload_identity_pool.outside[0]"),
    );
    let text = error(&pool, "").to_string();
    assert!(
        text.contains("gcloud iam workload-identity-pools undelete POOL --location=global"),
        "{text}"
    );
    assert!(text.contains("--set gcp.workload_identity_pool=POOL"), "{text}");

    let role = diagnostic(
        "Error creating the custom project role projects/p/roles/r: googleapi: Error 400: You can't create a role_id (r) which \
         has been marked for deletion., failedPrecondition",
        "",
        Some("module.deployer.google_project_iam_custom_role.configure[0]"),
    );
    let text = error(&role, "").to_string();
    assert!(text.contains("--set gcp.role_suffix=SUFFIX"), "{text}");
}

#[test]
fn what_was_made_and_not_found_right_after_is_taken_in_by_an_import() {
    let said = diagnostic(
        "Provider produced inconsistent result after apply",
        "When applying changes to module.pipeline.google_firestore_database.candles, provider \"provider[\\\"registry.terraform.io/hashicorp/google\\\"]\" \
         produced an unexpected new value: Root object was present, but now absent.",
        None,
    );
    let text = error(&said, "").to_string();
    assert!(text.contains("run the same command again in a minute"), "{text}");
    assert!(text.contains("import module.pipeline.google_firestore_database.candles ID"), "{text}");
}
