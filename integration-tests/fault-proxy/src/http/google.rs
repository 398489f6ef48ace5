//! Google's errors: a gRPC status in trailers, or the same in JSON.

use http::{Response, StatusCode};
use serde_json::json;

use super::aws::set;
use super::body::ProxyBody;
use super::call::{Call, Protocol};
use crate::spec::GoogleError;

/// An error by all its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: &'static str,
    code: u8,
    status: u16,
    /// The reason that Cloud Storage gives.
    reason: &'static str,
    message: &'static str,
}

impl Told {
    /// The error; `None` if the call isn't one of Google's.
    pub(super) fn of(call: &Call, error: GoogleError) -> Option<Self> {
        matches!(call.protocol, Protocol::Grpc | Protocol::GoogleRest).then(|| words(error))
    }

    pub(super) fn answer(&self, call: &Call) -> Response<ProxyBody> {
        if call.protocol == Protocol::Grpc { self.trailers_only() } else { self.rest(call) }
    }

    /// A single frame of headers that ends the stream, for an answer without a body.
    fn trailers_only(&self) -> Response<ProxyBody> {
        let mut response = Response::new(ProxyBody::whole(""));
        set(&mut response, "content-type", "application/grpc");
        set(&mut response, "grpc-status", &self.code.to_string());
        set(&mut response, "grpc-message", &self.message.replace(' ', "%20"));
        response
    }

    fn rest(&self, call: &Call) -> Response<ProxyBody> {
        let mut error = json!({ "code": self.status, "message": self.message });
        if call.service == "storage" {
            let detail =
                json!({ "message": self.message, "domain": "global", "reason": self.reason });
            error["errors"] = json!([detail]);
        } else {
            error["status"] = json!(self.name);
        }
        let body = json!({ "error": error }).to_string();
        let mut response = Response::new(ProxyBody::whole(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        set(&mut response, "content-type", "application/json; charset=UTF-8");
        response
    }
}

fn words(error: GoogleError) -> Told {
    let (name, code, status, reason, message) = match error {
        GoogleError::Cancelled => {
            ("CANCELLED", 1, 499, "cancelled", "The operation was cancelled.")
        }
        GoogleError::Unknown => ("UNKNOWN", 2, 500, "internalError", "Unknown error."),
        GoogleError::DeadlineExceeded => (
            "DEADLINE_EXCEEDED",
            4,
            504,
            "gatewayTimeout",
            "Deadline expired before operation could complete.",
        ),
        GoogleError::PermissionDenied => {
            ("PERMISSION_DENIED", 7, 403, "forbidden", "The caller does not have permission")
        }
        GoogleError::ResourceExhausted => {
            ("RESOURCE_EXHAUSTED", 8, 429, "rateLimitExceeded", "Quota exceeded.")
        }
        GoogleError::Aborted => (
            "ABORTED",
            10,
            409,
            "conflict",
            "Too much contention on these documents. Please try again.",
        ),
        GoogleError::Internal => {
            ("INTERNAL", 13, 500, "internalError", "Internal error encountered.")
        }
        GoogleError::Unavailable => {
            ("UNAVAILABLE", 14, 503, "backendError", "The service is currently unavailable.")
        }
        GoogleError::Unauthenticated => (
            "UNAUTHENTICATED",
            16,
            401,
            "authError",
            "Request had invalid authentication credentials.",
        ),
    };
    Told { name, code, status, reason, message }
}
