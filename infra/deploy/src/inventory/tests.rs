//! The resource types of ARNs, and the existence of resources by the answer of their own service.

use super::*;
use crate::fake_aws::{Answer, FakeAws};

#[test]
fn an_arn_tells_the_type() {
    assert_eq!(type_of("arn:aws:lambda:us-east-1:000000000000:function:ingest"), "lambda:function");
    assert_eq!(type_of("arn:aws:sqs:us-east-1:000000000000:trades"), "sqs");
    assert_eq!(type_of("arn:aws:dynamodb:us-east-1:000000000000:table/candles"), "dynamodb:table");
    assert_eq!(type_of("arn:aws:s3:::bucket"), "s3");
}

/// A resource type with a lookup at its own service.
struct Kind {
    arn: &'static str,
    /// The lookup's operation, and the part of its path or body that names the resource.
    call: &'static str,
    names: &'static str,
    /// The answers for an existing and for a missing resource.
    there: fn() -> Answer,
    gone: fn() -> Answer,
}

const KINDS: [Kind; 6] = [
    Kind {
        arn: "arn:aws:dynamodb:us-east-1:000000000000:table/candles",
        call: "dynamodb DescribeTable",
        names: r#""TableName":"candles""#,
        there: || Answer::ok(r#"{"Table":{"TableName":"candles"}}"#),
        gone: || {
            Answer::json_error(400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException")
        },
    },
    Kind {
        arn: "arn:aws:events:us-east-1:000000000000:rule/replicate",
        call: "events DescribeRule",
        names: r#""Name":"replicate""#,
        there: || Answer::ok(r#"{"Name":"replicate"}"#),
        gone: || Answer::json_error(400, "ResourceNotFoundException"),
    },
    Kind {
        arn: "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:1-2-3",
        call: "lambda GET /2015-03-31/event-source-mappings/1-2-3",
        names: "",
        there: || Answer::ok(r#"{"UUID":"1-2-3","State":"Enabled"}"#),
        gone: || Answer::json_error(404, "ResourceNotFoundException"),
    },
    Kind {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:ingest",
        call: "lambda GET /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aingest/configuration",
        names: "",
        there: || Answer::ok(r#"{"FunctionName":"ingest"}"#),
        gone: || Answer::json_error(404, "ResourceNotFoundException"),
    },
    Kind {
        arn: "arn:aws:s3:::archive",
        call: "s3 GET /archive/?list-type=2&max-keys=1",
        names: "",
        there: || Answer::ok("<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"),
        gone: || Answer::s3_error(404, "NoSuchBucket"),
    },
    Kind {
        arn: "arn:aws:sqs:us-east-1:000000000000:trades",
        call: "sqs GetQueueUrl",
        names: r#""QueueName":"trades""#,
        there: || Answer::ok(r#"{"QueueUrl":"https://sqs/trades"}"#),
        gone: || Answer::json_error(400, "com.amazonaws.sqs#QueueDoesNotExist"),
    },
];

/// Returns true if the resource exists by this answer, and the calls that were made, with their bodies.
async fn asked(arn: &str, answer: fn() -> Answer) -> (bool, Vec<(String, String)>) {
    let stub = FakeAws::start(move |_| answer());
    let name = arn.to_owned();
    let item = Item { resource_type: type_of(arn), name, component: None };
    let there = is_there(&stub.config().await, &item).await;
    (there, stub.calls().into_iter().map(|call| (call.name(), call.body)).collect())
}

#[tokio::test]
async fn each_kind_is_asked_of_its_own_service() {
    let kinds: Vec<String> = KINDS.iter().map(|kind| type_of(kind.arn)).collect();
    assert_eq!(kinds, ASKED);
    for Kind { arn, call, names, there, gone } in KINDS {
        let (is_there, calls) = asked(arn, there).await;
        assert!(is_there, "{arn}");
        let [(name, body)] = calls.as_slice() else { panic!("{arn}: {calls:?}") };
        assert_eq!(name, call);
        assert!(body.contains(names), "{arn}: {body}");

        let (is_there, calls) = asked(arn, gone).await;
        assert!(!is_there, "{arn}");
        assert_eq!(calls.len(), 1, "{arn}: {calls:?}");
    }
}

#[tokio::test]
async fn what_may_not_be_asked_is_there() {
    let denied = || Answer::json_error(403, "AccessDeniedException");
    for Kind { arn, .. } in KINDS {
        let answer =
            if arn.contains(":s3:") { || Answer::s3_error(403, "AccessDenied") } else { denied };
        assert!(asked(arn, answer).await.0, "{arn}");
    }
    // Another resource type has no lookup.
    let (is_there, calls) = asked("arn:aws:sns:us-east-1:000000000000:alerts", denied).await;
    assert!(is_there);
    assert_eq!(calls, []);
}
