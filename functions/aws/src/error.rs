//! What an SDK error means to the pipeline.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use pipeline::ports::{Fault, PortError};

/// Codes of throttles that come with a 400; the services' own lists, and those that the SDK retries.
const THROTTLES: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
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
    PortError::new(service, operation, fault(error), error)
}

fn fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Fault {
    match error {
        SdkError::ConstructionFailure(_) => Fault::Refused,
        SdkError::ServiceError(context) => {
            let status = context.raw().status();
            let throttled = context.err().code().is_some_and(|code| THROTTLES.contains(&code));
            if status.is_server_error() || status.as_u16() == 429 || throttled {
                Fault::Unknown
            } else {
                Fault::Refused
            }
        }
        // Timeouts, broken connections, answers that can't be read: the effect may have happened.
        _ => Fault::Unknown,
    }
}
