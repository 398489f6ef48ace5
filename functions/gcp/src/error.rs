//! Maps client errors to the pipeline's faults.

use google_cloud_gax::error::Error as GaxError;
use google_cloud_gax::error::rpc::Code;
use pipeline::ports::{Fault, PortError};

pub(crate) fn port_error(
    service: &'static str,
    operation: &'static str,
    error: &GaxError,
) -> PortError {
    PortError::new(service, operation, fault(error), error)
}

fn fault(error: &GaxError) -> Fault {
    match (error.http_status_code(), error.status().map(|status| status.code)) {
        (Some(408 | 429 | 500..), _) => Fault::Unknown,
        (Some(_), _) => Fault::Refused,
        (None, Some(code)) if refused(code) => Fault::Refused,
        // Timeouts, broken connections, and all errors without a status of the service.
        (None, _) => Fault::Unknown,
    }
}

fn refused(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated
    )
}
