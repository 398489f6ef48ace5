//! AWS's errors on the wire. The SDKs' handling of them is tested with the SDKs, on emulators.

use fault_proxy::{AwsError, Fault, Level, Match};
use http::HeaderMap;

use crate::servers::{http1, proxy, read, request, signed, web, within};

async fn answer(
    error: AwsError,
    service: &str,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, HeaderMap, String) {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    proxy.faults().add(Fault::aws(error)).unwrap();
    let signature = signed(service);
    let headers: Vec<_> =
        headers.iter().copied().chain([("authorization", signature.as_str())]).collect();
    let mut sender = http1(proxy.address()).await;
    let response = within(sender.send_request(request(method, uri, &headers, body))).await;
    let answer = read(response.unwrap()).await;
    assert!(server.asked().is_empty(), "it reached the upstream");
    answer
}

#[tokio::test]
async fn dynamodb_says_it_in_json_with_a_checksum() {
    let put = [("x-amz-target", "DynamoDB_20120810.PutItem")];
    let (status, headers, body) =
        answer(AwsError::Throttling, "dynamodb", "POST", "/", &put, "{}").await;
    assert_eq!(status, 400);
    assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(headers["x-amz-crc32"], crc32fast::hash(body.as_bytes()).to_string());
    let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    assert!(body.contains(code), "{body}");
    let (status, _, body) = answer(AwsError::Internal, "dynamodb", "POST", "/", &put, "{}").await;
    assert_eq!(status, 500);
    assert!(body.contains("#InternalServerError"), "{body}");
    let named = AwsError::Named {
        status: 400,
        code: "ThrottlingException".to_owned(),
        message: "slow down".to_owned(),
    };
    let (_, _, body) = answer(named, "dynamodb", "POST", "/", &put, "{}").await;
    assert!(body.contains("com.amazon.coral.availability#ThrottlingException"), "{body}");
}

#[tokio::test]
async fn sqs_says_it_in_json_with_the_old_code() {
    let send = [("x-amz-target", "AmazonSQS.SendMessageBatch")];
    let (status, headers, body) =
        answer(AwsError::Throttling, "sqs", "POST", "/", &send, "{}").await;
    assert_eq!(
        (status, &headers["x-amzn-query-error"]),
        (400, &"RequestThrottled;Sender".parse().unwrap())
    );
    assert!(body.contains("com.amazonaws.sqs#RequestThrottled"), "{body}");
    let (status, headers, _) = answer(AwsError::Unavailable, "sqs", "POST", "/", &send, "{}").await;
    assert_eq!(status, 503);
    assert_eq!(headers["x-amzn-query-error"], "ServiceUnavailable;Receiver");
}

#[tokio::test]
async fn s3_says_it_in_xml_and_to_head_by_its_status() {
    let (status, headers, body) =
        answer(AwsError::Throttling, "s3", "PUT", "/bucket/a&b", &[], "content").await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (503, "application/xml"));
    assert!(body.contains("<Code>SlowDown</Code>"), "{body}");
    assert!(body.contains("<Resource>/bucket/a&amp;b</Resource>"), "{body}");
    let (status, _, body) = answer(AwsError::Internal, "s3", "HEAD", "/bucket/a", &[], "").await;
    assert_eq!((status, body.as_str()), (500, ""));
}

#[tokio::test]
async fn lambda_and_the_query_services_have_formats_of_their_own() {
    let path = "/2015-03-31/functions/f/invocations";
    let (status, headers, body) =
        answer(AwsError::Throttling, "lambda", "POST", path, &[], "{}").await;
    assert_eq!(
        (status, &headers["x-amzn-errortype"]),
        (429, &"TooManyRequestsException".parse().unwrap())
    );
    assert!(body.contains("\"Type\":\"User\""), "{body}");
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    for service in ["cloudformation", "sts"] {
        let call = "Action=DescribeStacks&Version=2010-05-15";
        let (status, _, body) =
            answer(AwsError::Throttling, service, "POST", "/", &form, call).await;
        assert_eq!(status, 400);
        assert!(body.contains("<Type>Sender</Type><Code>Throttling</Code>"), "{body}");
        assert!(body.contains("amazonaws.com/doc/"), "{body}");
    }
}

#[tokio::test]
async fn other_services_operations_and_regions_are_left_alone() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let throttle = |on| Fault::aws(AwsError::Throttling).on(on);
    proxy.faults().add(throttle(Match::service("dynamodb").operation("PutItem"))).unwrap();
    proxy.faults().add(throttle(Match::service("sqs").region("us-east-1"))).unwrap();
    let mut sender = http1(proxy.address()).await;
    let mut status = async |service: &str, target: &str| {
        let headers = [("authorization", &*signed(service)), ("x-amz-target", target)];
        let request = request("POST", "/", &headers, "{}");
        read(within(sender.send_request(request)).await.unwrap()).await.0
    };
    assert_eq!(status("dynamodb", "DynamoDB_20120810.PutItem").await, 400);
    assert_eq!(status("dynamodb", "DynamoDB_20120810.GetItem").await, 200);
    // Signed for eu-west-1.
    assert_eq!(status("sqs", "AmazonSQS.SendMessage").await, 200);
    // Not an AWS call: the body that was read for its Action is passed on whole.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let response = sender.send_request(request("POST", "/form", &form, "a=b")).await.unwrap();
    assert_eq!(read(response).await.2, "POST /form a=b");
}
