use std::sync::{Arc, Mutex};

use super::*;
use crate::fake_aws::stacks::{ACCOUNT, Stacks};
use crate::fake_aws::{Answer, FakeAws};

const STACK: &str = "blockchain-core-dev";
/// From an older prefix: the current settings give other names.
const BUCKET: &str = "older-archive";

/// The parts of a deployment that a destroy reads.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own that a test sets")]
struct Cloud {
    termination_protection: bool,
    deletion_protection: bool,
    may_not_empty: bool,
    may_not_list: bool,
    may_not_unprotect_table: bool,
    may_not_simulate: bool,
    /// Versions are listed but can't be deleted, which the earlier check did not find.
    keeps_objects: bool,
    is_empty: bool,
}

fn deployed(cloud: Cloud) -> FakeAws {
    let mut stacks = Stacks::default();
    let stack = stacks.add(STACK, "CREATE_COMPLETE");
    stack.is_protected = cloud.termination_protection;
    stack.resources = [
        ["ArchiveBucket", "AWS::S3::Bucket", BUCKET],
        ["IngestLogs", "AWS::Logs::LogGroup", "/aws/lambda/ingest"],
        ["IngestMapping", "AWS::Lambda::EventSourceMapping", "mapping"],
        ["IngestRole", "AWS::IAM::Role", "role"],
        ["ReplicateRule", "AWS::Events::Rule", "rule"],
        ["Table", "AWS::DynamoDB::Table", "older-candles"],
    ]
    .map(|[name, kind, id]| [name, kind, id, "CREATE_COMPLETE"].map(str::to_owned))
    .to_vec();
    let objects = Arc::new(Mutex::new(!cloud.is_empty));
    let mut state = "Enabled";
    FakeAws::start(move |call| match (call.service.as_str(), call.action.as_str()) {
        ("iam", "SimulatePrincipalPolicy") if cloud.may_not_simulate => {
            Answer::error("AccessDenied", "may not")
        }
        ("iam", "SimulatePrincipalPolicy") => {
            let actions = (1..).map_while(|n| call.field(&format!("ActionNames.member.{n}")));
            let results = actions.map(|action| {
                let denied = action == "dynamodb:UpdateTable" && cloud.may_not_unprotect_table;
                let decision = if denied { "implicitDeny" } else { "allowed" };
                format!(
                    "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>"
                )
            });
            let results =
                format!("<EvaluationResults>{}</EvaluationResults>", results.collect::<String>());
            Answer::result("SimulatePrincipalPolicy", results)
        }
        ("cloudformation" | "sts", _) => stacks.answer(call),
        ("s3", action) => s3(cloud, &objects, action),
        ("lambda", action) if action.starts_with("PUT ") => {
            let is_on = call.body.contains("true");
            state = if is_on { "Enabled" } else { "Disabled" };
            mapping(if is_on { "Enabling" } else { "Disabling" })
        }
        ("events", "DescribeRule") => Answer::ok(r#"{"Name":"rule","State":"ENABLED"}"#),
        ("lambda", _) => mapping(state),
        ("dynamodb", "DescribeTable") => Answer::ok(format!(
            r#"{{"Table":{{"DeletionProtectionEnabled":{}}}}}"#,
            cloud.deletion_protection
        )),
        ("events", "DisableRule" | "EnableRule") | ("dynamodb", "UpdateTable") => Answer::ok("{}"),
        // The tag index is outdated: it lists everything as before.
        ("tagging", _) => Answer::ok(r#"{"ResourceTagMappingList":[]}"#),
        _ => panic!("not expected: {}", call.name()),
    })
}

fn mapping(state: &str) -> Answer {
    Answer::ok(format!(r#"{{"UUID":"mapping","State":"{state}"}}"#))
}

fn s3(cloud: Cloud, objects: &Mutex<bool>, action: &str) -> Answer {
    let mut objects = objects.lock().expect("the objects");
    assert!(
        action.contains(BUCKET) || action.starts_with("GET /") || action.starts_with("HEAD /"),
        "{action}"
    );
    if !action.contains(BUCKET) {
        return Answer::s3_error(404, "NoSuchBucket");
    }
    let denied = || Answer::s3_error(403, "AccessDenied");
    match action.split(' ').next() {
        Some("GET") if cloud.may_not_list => denied(),
        Some("GET") if *objects => Answer::ok(
            "<ListVersionsResult><Version><Key>trades/1</Key><VersionId>1</VersionId></Version></ListVersionsResult>",
        ),
        Some("GET") => Answer::ok("<ListVersionsResult/>"),
        Some("DELETE" | "POST") if cloud.may_not_empty => denied(),
        Some("DELETE") => Answer::no_content(),
        Some("POST") if cloud.keeps_objects => denied(),
        Some("POST") => {
            *objects = false;
            Answer::ok("<DeleteResult/>")
        }
        _ => panic!("not expected: {action}"),
    }
}

/// The probe of a version that no object has.
fn is_probe(call: &str) -> bool {
    call.starts_with("s3 DELETE ")
        && call.contains(".no-such-object")
        && call.contains("versionId=null")
}

async fn ready(cloud: Cloud, is_named: bool) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = deployed(cloud);
    let site = stub.site(folder.path(), "dev");
    let ready = super::super::ready::check(&site, is_named, &Progress::default()).await;
    let changes: Vec<String> = stub.changes().into_iter().filter(|call| !is_probe(call)).collect();
    assert_eq!(changes, Vec::<String>::new());
    ready.map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn what_would_stop_it_half_way_is_found_before_anything_is_touched() {
    ready(Cloud::default(), false).await.expect("nothing is in the way");
    let protected =
        Cloud { termination_protection: true, deletion_protection: true, ..Cloud::default() };
    let error = ready(protected, false).await.expect_err("protected");
    for part in [
        "nothing was changed",
        "termination protection",
        "older-candles has deletion protection",
        "--confirm blockchain-core-dev",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    ready(protected, true).await.expect("its name was given");
    for cloud in [
        Cloud { may_not_empty: true, ..Cloud::default() },
        Cloud { may_not_list: true, ..Cloud::default() },
    ] {
        let error = ready(cloud, true).await.expect_err("it can't be emptied");
        for part in [BUCKET, "AccessDenied", "allow_destroy"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    let denied = Cloud { may_not_unprotect_table: true, ..Cloud::default() };
    let error = ready(denied, false).await.expect_err("it can't be deleted");
    let line = format!(
        "\n  - IAM's policy simulator denies these credentials dynamodb:UpdateTable on \
         arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/older-candles: ask for it, or pass --confirm {STACK} to go on if the \
         simulator is wrong"
    );
    assert!(error.ends_with(&line), "{error}");
    ready(denied, true).await.expect("it was overruled");
    let unknown = Cloud { may_not_simulate: true, ..Cloud::default() };
    ready(unknown, false).await.expect("it is not known that anything is in the way");
    let empty = Cloud { may_not_empty: true, is_empty: true, ..Cloud::default() };
    ready(empty, false).await.expect("there is nothing to empty");
}

#[tokio::test]
async fn a_stack_ends_in_order_and_by_its_own_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let protected =
        Cloud { termination_protection: true, deletion_protection: true, ..Cloud::default() };
    let stub = deployed(protected);
    let site = stub.site(folder.path(), "dev");
    let aws = Aws::open(&site).await.expect("signed in");
    let gone = deletion::delete(&aws, STACK, &Progress::default()).await.expect("deleted");
    let calls = stub.changes();
    let at = |part: &str| {
        let at = calls.iter().position(|call| call.contains(part));
        at.unwrap_or_else(|| panic!("no {part}: {calls:#?}"))
    };
    let order = [
        at("PUT "),
        at("DisableRule"),
        at(&format!("POST /{BUCKET}")),
        at("UpdateTerminationProtection"),
        at("UpdateTable"),
        at("DeleteStack"),
    ];
    assert!(order.is_sorted(), "writers, objects, protection, stack: {calls:#?}");
    assert_eq!(calls.len(), order.len(), "{calls:#?}");
    let gone = gone.expect("there was a stack");
    assert!(gone.deleted.contains(&"/aws/lambda/ingest".to_owned()), "{gone:?}");
    assert!(deletion::delete(&aws, STACK, &Progress::default()).await.expect("gone").is_none());
}

#[tokio::test]
async fn what_can_not_be_emptied_goes_on_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = deployed(Cloud {
        termination_protection: true,
        deletion_protection: true,
        keeps_objects: true,
        ..Cloud::default()
    });
    let site = stub.site(folder.path(), "dev");
    let aws = Aws::open(&site).await.expect("signed in");
    deletion::delete(&aws, STACK, &Progress::default()).await.expect_err("the bucket stays full");
    let calls = stub.changes();
    let count = |part: &str| calls.iter().filter(|call| call.contains(part)).count();
    assert_eq!((count("PUT "), count("DisableRule"), count("EnableRule")), (2, 1, 1), "{calls:#?}");
    let protection = ["UpdateTerminationProtection", "UpdateTable", "DeleteStack"];
    assert_eq!(protection.map(count), [0, 0, 0], "{calls:#?}");
}

#[test]
fn what_a_stack_has_deleted_is_gone_whatever_the_index_shows() {
    let item = |kind: &str, name: &str| Item {
        resource_type: kind.to_owned(),
        name: name.to_owned(),
        component: None,
    };
    let group = item("logs:log-group", "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/ingest");
    assert!(group.is_of("/aws/lambda/ingest"));
    assert!(!group.is_of("/aws/lambda/ingest-2") && !group.is_of("ingest"));
    let alarm = item("cloudwatch:alarm", "arn:aws:cloudwatch:us-east-1:1:alarm:dev-lag");
    assert!(alarm.is_of("dev-lag"));
    // The item's service must match.
    assert!(!item("dynamodb:table", "arn:aws:dynamodb:us-east-1:1:table/candles").is_of("candles"));
}
