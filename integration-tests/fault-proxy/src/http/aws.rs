//! AWS's errors in their wire formats, each with the code and status of its service.

use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::body::ProxyBody;
use super::call::{Call, Protocol};
use crate::spec::AwsError;

/// An error as a service sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) code: String,
    message: String,
}

impl Told {
    /// `error` with the code and status of the called service; `None` for a call that has no AWS error format.
    pub(super) fn of(call: &Call, error: &AwsError) -> Option<Self> {
        if matches!(call.protocol, Protocol::Grpc | Protocol::GoogleRest | Protocol::Other) {
            return None;
        }
        let (status, code, message) = match error {
            AwsError::Throttling => throttling(call),
            AwsError::Internal => internal(call),
            AwsError::Unavailable => unavailable(call),
            AwsError::Named { status, code, message } => (*status, code.as_str(), message.as_str()),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Self { status, code: code.to_owned(), message: message.to_owned() })
    }

    fn is_senders(&self) -> bool {
        self.status.is_client_error()
    }

    /// The answer to `call`.
    pub(super) fn answer(&self, call: &Call, method: &Method, number: u64) -> Response<ProxyBody> {
        let id = request_id(number);
        let mut response = match call.protocol {
            Protocol::S3 => self.s3(call, method, &id),
            Protocol::AwsQuery => self.query(call, &id),
            Protocol::AwsRest => self.rest(&id),
            _ => self.json(call, &id),
        };
        *response.status_mut() = self.status;
        response
    }

    fn json(&self, call: &Call, id: &str) -> Response<ProxyBody> {
        let namespace = match (call.service.as_str(), self.code.as_str()) {
            ("dynamodb", "ThrottlingException" | "ServiceUnavailable") => {
                "com.amazon.coral.availability#"
            }
            ("dynamodb", _) => "com.amazonaws.dynamodb.v20120810#",
            ("sqs", _) => "com.amazonaws.sqs#",
            _ => "",
        };
        let error =
            json!({ "__type": format!("{namespace}{}", self.code), "message": self.message });
        let body = error.to_string();
        // SQS and DynamoDB use 1.0, most others 1.1.
        let version = if namespace.is_empty() { "1.1" } else { "1.0" };
        let crc = crc32fast::hash(body.as_bytes());
        let mut response = Response::new(ProxyBody::whole(body));
        set(&mut response, "content-type", &format!("application/x-amz-json-{version}"));
        set(&mut response, "x-amzn-requestid", id);
        match call.service.as_str() {
            "dynamodb" => set(&mut response, "x-amz-crc32", &crc.to_string()),
            // Clients of the older query protocol knew errors by these codes.
            "sqs" => {
                let fault = if self.is_senders() { "Sender" } else { "Receiver" };
                set(&mut response, "x-amzn-query-error", &format!("{};{fault}", self.code));
            }
            _ => {}
        }
        response
    }

    fn s3(&self, call: &Call, method: &Method, id: &str) -> Response<ProxyBody> {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
             <Resource>{}</Resource><RequestId>{id}</RequestId><HostId>{id}</HostId></Error>",
            escaped(&self.code),
            escaped(&self.message),
            escaped(&call.path),
        );
        // The answer to HEAD has no body.
        let xml = if method == Method::HEAD { String::new() } else { xml };
        let mut response = Response::new(ProxyBody::whole(xml));
        set(&mut response, "content-type", "application/xml");
        set(&mut response, "x-amz-request-id", id);
        set(&mut response, "x-amz-id-2", id);
        response
    }

    fn query(&self, call: &Call, id: &str) -> Response<ProxyBody> {
        let namespace = match call.service.as_str() {
            "cloudformation" => " xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"",
            "iam" => " xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"",
            "monitoring" => " xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"",
            "sns" => " xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"",
            "sqs" => " xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"",
            "sts" => " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"",
            _ => "",
        };
        let kind = if self.is_senders() { "Sender" } else { "Receiver" };
        let xml = format!(
            "<ErrorResponse{namespace}><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message>\
             </Error><RequestId>{id}</RequestId></ErrorResponse>",
            escaped(&self.code),
            escaped(&self.message),
        );
        let mut response = Response::new(ProxyBody::whole(xml));
        set(&mut response, "content-type", "text/xml");
        set(&mut response, "x-amzn-requestid", id);
        response
    }

    fn rest(&self, id: &str) -> Response<ProxyBody> {
        let kind = if self.is_senders() { "User" } else { "Service" };
        let mut error = json!({ "Type": kind, "message": self.message });
        if self.code == "TooManyRequestsException" {
            error["Reason"] = json!("CallerRateLimitExceeded");
        }
        let mut response = Response::new(ProxyBody::whole(error.to_string()));
        set(&mut response, "content-type", "application/json");
        set(&mut response, "x-amzn-errortype", &self.code);
        set(&mut response, "x-amzn-requestid", id);
        response
    }
}

type Words = (u16, &'static str, &'static str);

fn throttling(call: &Call) -> Words {
    match (call.protocol, call.service.as_str()) {
        (Protocol::S3, _) => (503, "SlowDown", "Please reduce your request rate."),
        (Protocol::AwsRest, _) => (429, "TooManyRequestsException", "Rate Exceeded."),
        (Protocol::AwsQuery | Protocol::AwsJson, "sqs") => {
            (400, "RequestThrottled", "The request was denied due to request throttling.")
        }
        (Protocol::AwsQuery, _) => (400, "Throttling", "Rate exceeded"),
        (_, "dynamodb") => (
            400,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
             provisioning level with the UpdateTable API.",
        ),
        _ => (400, "ThrottlingException", "Rate exceeded"),
    }
}

fn internal(call: &Call) -> Words {
    let message =
        "The request processing has failed because of an unknown error, exception or failure.";
    match (call.protocol, call.service.as_str()) {
        (Protocol::S3, _) => {
            (500, "InternalError", "We encountered an internal error. Please try again.")
        }
        (Protocol::AwsRest, _) => {
            (500, "ServiceException", "An error occurred and the request cannot be processed.")
        }
        (_, "dynamodb") => (500, "InternalServerError", message),
        _ => (500, "InternalFailure", message),
    }
}

fn unavailable(call: &Call) -> Words {
    match call.protocol {
        Protocol::S3 => (503, "ServiceUnavailable", "Service is unable to handle request."),
        Protocol::AwsRest => {
            (503, "ServiceUnavailableException", "Service is unable to handle request.")
        }
        _ => (
            503,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
    }
}

/// Has the format of a request id, and names its origin.
fn request_id(number: u64) -> String {
    format!("fa017000-0000-4000-8000-{number:012x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn set(response: &mut Response<ProxyBody>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
