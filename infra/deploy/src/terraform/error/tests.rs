//! What Terraform 1.11 said when it was made to fail in each of these ways.

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
    let terraform = Terraform {
        program: "/usr/bin/terraform".into(),
        version: "1.11.4".to_owned(),
        plugin_dir: None,
        limits: Limits::default(),
    };
    let root =
        Root::new("terraform", Path::new("terraform"), Path::new("outputs/work/dev/terraform"));
    let ended = Ended {
        success: false,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        interrupted: false,
    };
    of_run(&terraform, &root, "apply", &ended)
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
            Some("aws_sns_topic.alerts"),
        ),
        diagnostic("creating KMS Key", "", Some("aws_kms_key.main")),
    ];
    let error = error(&stdout.join("\n"), "");
    assert_eq!(
        error.to_string(),
        "apply terraform: aws_sns_topic.alerts: creating SNS Topic (alerts): api error InvalidParameter: no \
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
