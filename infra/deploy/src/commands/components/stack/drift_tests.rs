use std::collections::BTreeMap;

use super::*;
use crate::commands::drift::{Drift, PartDrift};
use crate::fake_aws::stacks::Stacks;
use crate::fake_aws::{Answer, Call, FakeAws};

const STACK: &str = "blockchain-core-dev";
const TLS_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":["ACTIONS"],"Resource":"r","Condition":{"Bool":{"aws:SecureTransport":["false"]}}}]}"#;
const RESOURCES: [[&str; 3]; 7] = [
    ["ArchiveBucket", "AWS::S3::Bucket", "archive"],
    ["ArchiveBucketPolicy", "AWS::S3::BucketPolicy", "archive"],
    ["IngestFunction", "AWS::Lambda::Function", "ingest"],
    ["IngestLogs", "AWS::Logs::LogGroup", "/aws/lambda/ingest"],
    ["IngestMapping", "AWS::Lambda::EventSourceMapping", "mapping"],
    ["Queue", "AWS::SQS::Queue", "QUEUE"],
    ["QueuePolicy", "AWS::SQS::QueuePolicy", "policy"],
];

/// The answers of a service about the unchanged deployment.
fn as_deployed(call: &Call) -> Answer {
    let tls_only = |actions| TLS_ONLY.replace("ACTIONS", actions);
    match call.action.as_str() {
        action if action.contains("?policy") => Answer::ok(tls_only("s3:*")),
        action if action.contains("?encryption") => Answer::ok(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
             </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        action if action.contains("?ownershipControls") => Answer::ok(
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
        action if action.contains("?lifecycle") => Answer::ok(
            "<LifecycleConfiguration><Rule><ID>old-versions</ID><Filter><Prefix/></Filter><Status>Enabled</Status>\
             <NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
             </LifecycleConfiguration>",
        ),
        "GetQueueAttributes" => {
            let attributes = BTreeMap::from([("Policy", tls_only("sqs:*"))]);
            Answer::ok(serde_json::json!({ "Attributes": attributes }).to_string())
        }
        action if action.contains("/event-source-mappings/") => {
            Answer::ok(r#"{"UUID":"mapping","State":"Enabled"}"#)
        }
        action if action.ends_with("/concurrency") => Answer::ok("{}"),
        other => panic!("not expected: {other}"),
    }
}

/// The output of `drift aws` if `CloudFormation` reports `reported` and the services give these answers; checks that it changed
/// nothing.
async fn drifted(
    reported: &'static str,
    mut answer: impl FnMut(&Call) -> Option<Answer> + Send + 'static,
) -> (usize, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stacks = Stacks::default();
    stacks.add(STACK, "CREATE_COMPLETE").resources = RESOURCES
        .iter()
        .map(|[name, kind, id]| [*name, *kind, *id, "CREATE_COMPLETE"].map(str::to_owned))
        .collect();
    let stub = FakeAws::start(move |call| match (call.service.as_str(), call.action.as_str()) {
        (_, "DetectStackDrift") => {
            Answer::result(&call.action, "<StackDriftDetectionId>1</StackDriftDetectionId>")
        }
        (_, "DescribeStackDriftDetectionStatus") => {
            Answer::result(&call.action, "<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>")
        }
        (_, "DescribeStackResourceDrifts") => Answer::ok(reported),
        ("cloudformation" | "sts", _) => stacks.answer(call),
        _ => answer(call).unwrap_or_else(|| as_deployed(call)),
    });
    let site = stub.site(folder.path(), "dev");
    let found = drift(&site).await;
    let found = found.expect("compared");
    assert_eq!(stub.changes(), Vec::<String>::new());
    let count = found.changes.len();
    let part = PartDrift { part: "aws".to_owned(), found };
    let drift = Drift { environment: "dev".into(), target: "cloud".into(), parts: vec![part] };
    (count, drift.to_string())
}

const NOTHING: &str = "<DescribeStackResourceDriftsResponse><DescribeStackResourceDriftsResult>\
                       <StackResourceDrifts/></DescribeStackResourceDriftsResult></DescribeStackResourceDriftsResponse>";
const REPORTED: &str = include_str!("../../../../recorded/drift/reported.xml");

#[tokio::test]
async fn as_deployed_is_no_drift_and_what_is_not_compared_is_named() {
    let (count, text) = drifted(NOTHING, |_| None).await;
    assert_eq!(count, 0, "{text}");
    assert!(text.starts_with("aws: as it was deployed\n"), "{text}");
    assert!(
        text.contains("not compared: ") && text.contains("IngestLogs (AWS::Logs::LogGroup)"),
        "{text}"
    );
    assert!(!text.contains("IngestMapping"), "compared here: {text}");
}

#[tokio::test]
async fn a_bucket_is_what_s3_says_and_not_what_is_reported() {
    let (count, text) = drifted(REPORTED, |_| None).await;
    assert!(!text.contains("~ ArchiveBucket"), "{text}");
    assert_eq!(count, 2, "the table and the alarm: {text}");
    // If S3 says the same, it is drift.
    let (_, text) = drifted(REPORTED, |call| {
        call.action
            .contains("?encryption")
            .then(|| Answer::s3_error(404, "ServerSideEncryptionConfigurationNotDriftedError"))
    })
    .await;
    assert!(text.contains("~ ArchiveBucket") && text.contains("/BucketEncryption"), "{text}");
    assert!(!text.contains("/OwnershipControls"), "{text}");
}

#[tokio::test]
async fn what_cloudformation_does_not_compare_is_compared() {
    let (count, text) = drifted(NOTHING, |call| {
        let action = call.action.as_str();
        let off = action.contains("/event-source-mappings/");
        off.then(|| Answer::ok(r#"{"UUID":"mapping","State":"Disabled"}"#))
    })
    .await;
    assert_eq!(count, 1, "{text}");
    assert!(text.contains("/Enabled: true -> false (Disabled)"), "{text}");

    let (count, text) = drifted(NOTHING, |call| {
        call.action.contains("?policy").then(|| Answer::s3_error(404, "NoSuchBucketPolicy"))
    })
    .await;
    assert_eq!(count, 1, "{text}");
    assert!(text.contains("- ArchiveBucketPolicy (AWS::S3::BucketPolicy)"), "{text}");

    let (count, text) = drifted(NOTHING, |call| {
        let open = r#"{"Attributes":{"Policy":"{\"Statement\":[]}"}}"#;
        (call.action == "GetQueueAttributes").then(|| Answer::ok(open))
    })
    .await;
    assert_eq!(count, 1, "{text}");
    assert!(text.contains("~ QueuePolicy (AWS::SQS::QueuePolicy)"), "{text}");

    let (count, text) = drifted(NOTHING, |call| {
        let asked = call.action.ends_with("/concurrency");
        asked.then(|| Answer::ok(r#"{"ReservedConcurrentExecutions":0}"#))
    })
    .await;
    assert_eq!(count, 1, "{text}");
    assert!(text.contains("/ReservedConcurrentExecutions: none -> 0"), "{text}");
}
