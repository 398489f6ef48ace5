//! Maps SDK errors to the pipeline's faults.

use std::error::Error;
use std::time::SystemTime;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use pipeline::ports::{Fault, PortError};

use crate::clock::clock_is_off;

/// Codes of throttles that come with a 400, or as the sender's fault: the services' own lists, and those that the SDK
/// retries.
const THROTTLES: [&str; 12] = [
    "KmsThrottled",
    "LimitExceededException",
    "OverLimit",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
];

pub(crate) fn port_error<E>(
    service: &'static str,
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> PortError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let mut made = PortError::new(service, operation, fault(error), error);
    if let Some(why) = clock(error) {
        made.detail = format!("{}; {why}", made.detail);
    }
    made
}

/// True if a code means too many calls, not a wrong one. The name of its service may precede it.
pub(crate) fn is_throttle(code: &str) -> bool {
    let name = code.rsplit(['.', '#']).next().unwrap_or(code);
    THROTTLES.contains(&name)
}

/// A text that the clock is off, if that is the cause.
fn clock<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let SdkError::ServiceError(context) = error else { return None };
    let (code, message) = (context.err().code()?, context.err().message().unwrap_or_default());
    clock_is_off(code, message, context.raw().headers().get("date"), SystemTime::now())
}

fn fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Fault {
    match error {
        SdkError::ConstructionFailure(_) => Fault::Refused,
        SdkError::ServiceError(context) => {
            let status = context.raw().status();
            let throttled = context.err().code().is_some_and(is_throttle);
            if status.is_server_error() || status.as_u16() == 429 || throttled {
                Fault::Unknown
            } else {
                Fault::Refused
            }
        }
        // Timeouts, broken connections, unreadable answers: the effect may have happened.
        _ => Fault::Unknown,
    }
}
