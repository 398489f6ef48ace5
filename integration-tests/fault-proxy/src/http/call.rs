//! The service and operation of a request, from its head (and the `Action` in a form).

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, Method, header};
use serde::{Deserialize, Serialize};

use super::s3;

/// A request, named as its service names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its protocol.
    pub protocol: Protocol,
    /// `sqs`, `dynamodb`, `s3`, `pubsub`, `firestore`, `storage`, …; empty if unknown.
    pub service: String,
    /// `PutItem`, `Publish`, `objects.insert`, …; the HTTP method if unknown.
    pub operation: String,
    /// The region that an AWS call was signed for.
    pub region: Option<String>,
    /// The path, without the query.
    pub path: String,
}

/// The wire format of a call and its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// gRPC over HTTP/2: Google.
    Grpc,
    /// AWS JSON 1.0 and 1.1, the operation in `X-Amz-Target`: SQS, `DynamoDB`, logs, events.
    AwsJson,
    /// AWS query, the operation in `Action`, answers in XML: `CloudFormation`, STS, IAM.
    AwsQuery,
    /// S3's own: HTTP methods, and answers in XML.
    S3,
    /// AWS's REST: HTTP methods, and answers in JSON, such as Lambda.
    AwsRest,
    /// Google's REST: HTTP methods, and answers in JSON: Cloud Storage, and the REST APIs of the
    /// others.
    GoogleRest,
    /// Any other.
    Other,
}

impl Call {
    /// Parses the head of a request. `form` is the body of an AWS query.
    #[must_use]
    pub fn read(head: &Parts, form: &[u8]) -> Self {
        let path = head.uri.path();
        let query = pairs(head.uri.query().unwrap_or_default().as_bytes());
        let named = |protocol, service: &str, operation: &str, region: Option<&str>| Self {
            protocol,
            service: service.to_owned(),
            operation: operation.to_owned(),
            region: region.map(ToOwned::to_owned),
            path: path.to_owned(),
        };
        if is_grpc(&head.headers) {
            let (service, operation) = grpc(path);
            return named(Protocol::Grpc, service, operation, None);
        }
        let signed = scope(&head.headers, &query);
        let region = signed.as_ref().map(|(region, _)| region.as_str());
        let signed_for = signed.as_ref().map(|(_, service)| service.as_str());
        if let Some((of_target, operation)) = target(&head.headers) {
            let service = signed_for.map_or_else(|| of_target.clone(), ToOwned::to_owned);
            return named(Protocol::AwsJson, &service, operation, region);
        }
        let form = pairs(form);
        if let Some(action) = query.get("Action").or_else(|| form.get("Action")) {
            return named(Protocol::AwsQuery, signed_for.unwrap_or_default(), action, region);
        }
        match signed_for {
            Some("s3" | "s3express") => {
                let copies = head.headers.contains_key("x-amz-copy-source");
                let operation = s3::operation(&head.method, path, &query, copies);
                named(Protocol::S3, "s3", &operation, region)
            }
            Some("lambda") => {
                named(Protocol::AwsRest, "lambda", &lambda(&head.method, path), region)
            }
            // Smithy's newer protocols, among others: this proxy can't write their answers.
            Some(service) => named(Protocol::Other, service, head.method.as_str(), region),
            None => match google_rest(&head.method, path) {
                Some((service, operation)) => {
                    named(Protocol::GoogleRest, service, &operation, None)
                }
                None => named(Protocol::Other, "", head.method.as_str(), None),
            },
        }
    }
}

/// True if the body must be read to identify the call.
pub(super) fn is_form(head: &Parts) -> bool {
    head.method == Method::POST
        && text(&head.headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// `/google.pubsub.v1.Publisher/Publish` is `Publish` of `pubsub`.
fn grpc(path: &str) -> (&str, &str) {
    let (service, operation) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let short = service.strip_prefix("google.").and_then(|rest| rest.split('.').next());
    (short.unwrap_or(service), operation)
}

/// Region and service of a signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn scope(headers: &HeaderMap, query: &BTreeMap<String, String>) -> Option<(String, String)> {
    let signed = text(headers, header::AUTHORIZATION.as_str())
        .filter(|value| value.starts_with("AWS4-"))
        .and_then(|value| value.split_once("Credential="))
        .map(|(_, scope)| scope.split(',').next().unwrap_or_default());
    let scope = signed.or_else(|| query.get("X-Amz-Credential").map(String::as_str))?;
    // A key may contain slashes, so this splits from the end.
    let mut parts = scope.trim().rsplit('/');
    let (_aws4_request, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    Some((region.to_owned(), service.to_owned()))
}

/// `DynamoDB_20120810.PutItem`.
fn target(headers: &HeaderMap) -> Option<(String, &str)> {
    let (service, operation) = text(headers, "x-amz-target")?.rsplit_once('.')?;
    let service = service.split('_').next().unwrap_or(service);
    let service = service.strip_prefix("Amazon").unwrap_or(service);
    Some((service.to_lowercase(), operation))
}

fn lambda(method: &Method, path: &str) -> String {
    let mut parts = path.trim_matches('/').split('/').skip(1);
    let (collection, name) = (parts.next().unwrap_or_default(), parts.next());
    let part = parts.next().unwrap_or_default();
    let operation = match (collection, method.as_str(), name, part) {
        ("functions", "POST", Some(_), "invocations") => "Invoke",
        ("functions", "POST", None, _) => "CreateFunction",
        ("functions", "GET", None, _) => "ListFunctions",
        ("functions", "GET", Some(_), "") => "GetFunction",
        ("functions", "DELETE", Some(_), "") => "DeleteFunction",
        ("functions", "GET", Some(_), "configuration") => "GetFunctionConfiguration",
        ("functions", "PUT", Some(_), "configuration") => "UpdateFunctionConfiguration",
        ("functions", "PUT", Some(_), "code") => "UpdateFunctionCode",
        ("functions", "PUT", Some(_), "concurrency") => "PutFunctionConcurrency",
        ("functions", "DELETE", Some(_), "concurrency") => "DeleteFunctionConcurrency",
        ("functions", "GET", Some(_), "concurrency") => "GetFunctionConcurrency",
        ("functions", "POST", Some(_), "versions") => "PublishVersion",
        ("event-source-mappings", "POST", None, _) => "CreateEventSourceMapping",
        ("event-source-mappings", "GET", None, _) => "ListEventSourceMappings",
        ("event-source-mappings", "GET", Some(_), _) => "GetEventSourceMapping",
        ("event-source-mappings", "PUT", Some(_), _) => "UpdateEventSourceMapping",
        ("event-source-mappings", "DELETE", Some(_), _) => "DeleteEventSourceMapping",
        (_, method, _, _) => method,
    };
    operation.to_owned()
}

fn google_rest(method: &Method, path: &str) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let parts = match parts.as_slice() {
        ["upload" | "download" | "resumable", rest @ ..] => rest,
        all => all,
    };
    match parts {
        ["storage", _version, "b", rest @ ..] => Some(("storage", storage(method, path, rest))),
        [_version, "projects", _project, collection, rest @ ..] => {
            let (service, collection) = match collection.split(':').next().unwrap_or_default() {
                of @ ("topics" | "subscriptions" | "snapshots" | "schemas") => ("pubsub", of),
                "databases" => ("firestore", "documents"),
                _ => return None,
            };
            let verb = rest.last().and_then(|last| last.split_once(':')).map(|(_, verb)| verb);
            let one = !rest.is_empty();
            let operation = verb.map_or_else(|| of_method(method, one), ToOwned::to_owned);
            Some((service, format!("{collection}.{operation}")))
        }
        _ => None,
    }
}

fn storage(method: &Method, path: &str, rest: &[&str]) -> String {
    match rest {
        [] => format!("buckets.{}", of_method(method, false)),
        [_bucket] => format!("buckets.{}", of_method(method, true)),
        // A part of an upload that was begun earlier.
        [_bucket, "o", ..] if path.contains("/upload/") && method == Method::PUT => {
            "objects.insert".to_owned()
        }
        [_bucket, "o"] => format!("objects.{}", of_method(method, false)),
        [_bucket, "o", _object] => format!("objects.{}", of_method(method, true)),
        [_bucket, "o", _object, verb @ ("rewriteTo" | "copyTo" | "compose"), ..] => {
            format!("objects.{}", verb.trim_end_matches("To"))
        }
        [_bucket, other, ..] => format!("{other}.{}", of_method(method, true)),
    }
}

/// The operation of an HTTP method on one resource, or on the collection.
fn of_method(method: &Method, one: bool) -> String {
    let operation = match (method.as_str(), one) {
        ("GET", false) => "list",
        ("GET", true) => "get",
        ("POST", _) => "insert",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        (other, _) => other,
    };
    operation.to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Parses the pairs of a query or a form.
fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, more @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low);
                match byte.and_then(|byte| u8::try_from(byte).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = more;
                    }
                    None => bytes.push(b'%'),
                }
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, uri: &str, headers: &[(&str, &str)], form: &str) -> (Protocol, String) {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let call = Call::read(&head, form.as_bytes());
        let region = call.region.unwrap_or_default();
        (call.protocol, format!("{} {} {region}", call.service, call.operation))
    }

    fn signed(service: &str) -> (&'static str, String) {
        let scope = format!("Credential=KEY/20260101/eu-west-1/{service}/aws4_request");
        ("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
    }

    #[test]
    fn calls_of_aws_are_named_as_aws_names_them() {
        let json = |service: &str, target: &str| {
            let (name, value) = signed(service);
            call("POST", "/", &[(name, &value), ("x-amz-target", target)], "")
        };
        let expected = (Protocol::AwsJson, "dynamodb PutItem eu-west-1".to_owned());
        assert_eq!(json("dynamodb", "DynamoDB_20120810.PutItem"), expected);
        let unsigned = call("POST", "/", &[("x-amz-target", "AmazonSQS.SendMessage")], "");
        assert_eq!(unsigned, (Protocol::AwsJson, "sqs SendMessage ".to_owned()));

        let (name, value) = signed("cloudformation");
        let form = call("POST", "/", &[(name, &value)], "Version=1&Action=CreateStack");
        assert_eq!(form, (Protocol::AwsQuery, "cloudformation CreateStack eu-west-1".to_owned()));

        let rest = |service: &str, method: &str, uri: &str| {
            let (name, value) = signed(service);
            call(method, uri, &[(name, &value)], "")
        };
        let path = "/2015-03-31/functions/f/invocations";
        let expected = (Protocol::AwsRest, "lambda Invoke eu-west-1".to_owned());
        assert_eq!(rest("lambda", "POST", path), expected);
        let expected = (Protocol::S3, "s3 GetObject eu-west-1".to_owned());
        assert_eq!(rest("s3", "GET", "/bucket/a/key?x-id=GetObject"), expected);
        let presigned =
            "/bucket/key?X-Amz-Credential=KEY%2F20260101%2Feu-west-1%2Fs3%2Faws4_request";
        assert_eq!(call("PUT", presigned, &[], "").1, "s3 PutObject eu-west-1");
    }

    #[test]
    fn calls_of_google_are_named_as_google_names_them() {
        let grpc = |path: &str| call("POST", path, &[("content-type", "application/grpc")], "").1;
        assert_eq!(grpc("/google.pubsub.v1.Publisher/Publish"), "pubsub Publish ");
        assert_eq!(grpc("/google.firestore.v1.Firestore/Commit"), "firestore Commit ");
        assert_eq!(grpc("/other.Service/Do"), "other.Service Do ");
        let rest = |method: &str, uri: &str| call(method, uri, &[], "").1;
        assert_eq!(
            rest("POST", "/upload/storage/v1/b/x/o?uploadType=multipart"),
            "storage objects.insert "
        );
        assert_eq!(rest("PUT", "/upload/storage/v1/b/x/o?upload_id=1"), "storage objects.insert ");
        assert_eq!(rest("GET", "/storage/v1/b/x/o?prefix=a"), "storage objects.list ");
        assert_eq!(rest("GET", "/storage/v1/b/x/o/a%2Fb?alt=media"), "storage objects.get ");
        assert_eq!(rest("POST", "/storage/v1/b?project=p"), "storage buckets.insert ");
        assert_eq!(rest("POST", "/v1/projects/p/topics/t:publish"), "pubsub topics.publish ");
        let documents = "/v1/projects/p/databases/(default)/documents";
        assert_eq!(rest("POST", &format!("{documents}:commit")), "firestore documents.commit ");
        assert_eq!(rest("GET", &format!("{documents}/a/b")), "firestore documents.get ");
    }

    #[test]
    fn what_is_neither_is_left_alone() {
        assert_eq!(call("GET", "/health", &[], ""), (Protocol::Other, " GET ".to_owned()));
        let (name, value) = signed("monitoring");
        let cbor = call("POST", "/service/x/operation/y", &[(name, &value)], "");
        assert_eq!(cbor.0, Protocol::Other);
        assert_eq!(decoded("a%2Fb+c%zz%4"), "a/b c%zz%4");
    }
}
