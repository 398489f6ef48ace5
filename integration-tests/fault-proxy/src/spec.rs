//! Specification of a fault: its kind, the calls it affects, its probability and its maximum of firings.
//!
//! All of it can be read from a file: `kind` is a table whose key `fault` names the kind.

use serde::{Deserialize, Serialize};

use crate::http::call::Call;
use crate::level::Level;

/// A fault to add to a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind.
    pub kind: Kind,
    /// The calls that it affects. A [`TcpFault`] affects connections and ignores this.
    #[serde(default)]
    pub on: Match,
    /// The probability of firing for each matching call (or connection): from 0 to 1.
    #[serde(default = "certain")]
    pub probability: f64,
    /// The most firings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

fn certain() -> f64 {
    1.0
}

impl Fault {
    /// A fault on every call or connection.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, on: Match::default(), probability: certain(), times: None }
    }

    /// A fault of TCP connections.
    #[must_use]
    pub fn tcp(fault: TcpFault) -> Self {
        Self::new(Kind::Tcp(fault))
    }

    /// A fault of HTTP requests.
    #[must_use]
    pub fn http(fault: HttpFault) -> Self {
        Self::new(Kind::Http(fault))
    }

    /// An error of AWS.
    #[must_use]
    pub fn aws(error: AwsError) -> Self {
        Self::http(HttpFault::AwsError { error })
    }

    /// An error of Google.
    #[must_use]
    pub fn google(error: GoogleError) -> Self {
        Self::http(HttpFault::GoogleError { error })
    }

    /// Restricts the fault to these calls.
    #[must_use]
    pub fn on(mut self, on: Match) -> Self {
        self.on = on;
        self
    }

    /// Sets the probability.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Sets the most firings.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    pub(crate) fn check(&self, level: Level) -> Result<(), AddError> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(AddError::Probability { given: self.probability });
        }
        match &self.kind {
            Kind::Http(_) if level == Level::Tcp => {
                Err(AddError::NeedsHttp { fault: self.kind.name() })
            }
            Kind::Tcp(_) if self.on != Match::default() => {
                Err(AddError::NoCalls { fault: self.kind.name() })
            }
            Kind::Tcp(TcpFault::Refuse) if self.times.is_some() || self.probability < 1.0 => {
                Err(AddError::RefusesAll)
            }
            Kind::Tcp(TcpFault::Bandwidth { bytes_per_s: 0, .. })
            | Kind::Http(HttpFault::SlowBody { bytes_per_s: 0 }) => {
                Err(AddError::NoBandwidth { fault: self.kind.name() })
            }
            _ => Ok(()),
        }
    }
}

/// The reason why a fault can't be added.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AddError {
    /// The proxy does not parse requests.
    #[error("add fault {fault}: this proxy passes bytes only; start it with Level::Http")]
    NeedsHttp {
        /// Its name.
        fault: &'static str,
    },
    /// A fault of connections has a filter for calls.
    #[error(
        "add fault {fault}: it works on connections and can't tell calls apart; leave `on` out, or take a fault of \
         requests"
    )]
    NoCalls {
        /// Its name.
        fault: &'static str,
    },
    /// The probability is not between 0 and 1.
    #[error("add a fault: probability {given} is not in 0 to 1")]
    Probability {
        /// The given value.
        given: f64,
    },
    /// The bandwidth is 0, at which nothing would pass.
    #[error(
        "add fault {fault}: bytes_per_s is 0; for a stop, take fault half_open, blackhole or hang"
    )]
    NoBandwidth {
        /// Its name.
        fault: &'static str,
    },
    /// A port is closed or open, so `refuse` has no probability and no `times`.
    #[error(
        "add fault refuse: it closes the port, so it takes neither times nor a probability; take fault cut for \
         single connections"
    )]
    RefusesAll,
}

/// The kind of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kind {
    /// A fault of TCP connections.
    Tcp(TcpFault),
    /// A fault of HTTP requests.
    Http(HttpFault),
}

/// A fault of TCP connections. It fires once for a connection, when it first affects it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum TcpFault {
    /// The port is closed: connecting is refused. Open connections go on. It fires once, when the port is closed, since
    /// connections that the kernel refuses can't be counted.
    Refuse,
    /// Open connections end now, and new ones as soon as they are accepted.
    Cut {
        /// The way in which they end.
        #[serde(default)]
        how: Ending,
    },
    /// A connection is reset once this many more bytes have passed.
    ResetAfter {
        /// Number of bytes.
        bytes: u64,
        /// The counted direction, or each of both.
        #[serde(default)]
        direction: Direction,
    },
    /// Connections are accepted, but nothing is ever answered; open ones freeze. Nothing is lost: bytes pass once the
    /// fault is removed, if both ends are still connected.
    HalfOpen,
    /// Nothing passes in one direction, as with [`TcpFault::HalfOpen`].
    Blackhole {
        /// The direction.
        direction: Direction,
    },
    /// Bytes arrive later, in order.
    Delay {
        /// The delay.
        delay_ms: u64,
        /// The most additional delay, at random.
        #[serde(default)]
        jitter_ms: u64,
        /// In this direction, or in each of both.
        #[serde(default)]
        direction: Direction,
    },
    /// Bytes arrive slowly.
    Bandwidth {
        /// Bytes per second of each connection.
        bytes_per_s: u64,
        /// In this direction, or in each of both.
        #[serde(default)]
        direction: Direction,
    },
    /// The end of a connection arrives later.
    SlowClose {
        /// The delay.
        delay_ms: u64,
    },
}

/// A fault of HTTP requests, at [`Level::Http`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// An error of AWS in the wire format of the service. The call does not reach the upstream. Calls that aren't AWS's
    /// are unaffected.
    AwsError {
        /// The error.
        error: AwsError,
    },
    /// An error of Google: trailers only for gRPC, JSON for REST. The call does not reach the upstream. Calls that
    /// aren't Google's are unaffected.
    GoogleError {
        /// The error.
        error: GoogleError,
    },
    /// The call reaches the upstream and succeeds there; its answer never arrives. It fires on success only.
    LostResponse {
        /// The client's view of the loss.
        #[serde(default)]
        loss: Loss,
    },
    /// The call never reaches the upstream.
    LostRequest {
        /// The client's view of the loss.
        #[serde(default)]
        loss: Loss,
    },
    /// The call is sent upstream twice, one after the other; one answer is returned. Calls whose body doesn't end soon
    /// (streams) are unaffected.
    Duplicate {
        /// The answer to return.
        #[serde(default)]
        answer: Which,
    },
    /// The call is held until the next one of the same service and operation has been answered, at most this long.
    Reorder {
        /// The bound.
        max_hold_ms: u64,
    },
    /// The call reaches the upstream later.
    Latency {
        /// The delay.
        delay_ms: u64,
        /// The most additional delay, at random.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// The call waits until the fault is removed, and then goes on, if the client is still there.
    Hang,
    /// The answer's body arrives slowly.
    SlowBody {
        /// Bytes per second.
        bytes_per_s: u64,
    },
}

/// Direction of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
    /// Both.
    #[default]
    Both,
}

impl Direction {
    /// True if this direction includes `one` (which is not `Both`).
    pub(crate) fn includes(self, one: Direction) -> bool {
        self == Self::Both || self == one
    }
}

/// The way in which a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Closed (FIN), as by a peer that leaves.
    #[default]
    Close,
    /// Reset (RST), as by a peer that died.
    Reset,
}

/// The way in which an answer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The client's connection is reset, with all requests on it.
    #[default]
    Connection,
    /// HTTP/2: only the call's stream is reset (`CANCEL`). HTTP/1.1 has no streams: the connection is reset.
    Stream,
}

/// The answer of a duplicated call to return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The first: the network duplicated the request.
    #[default]
    First,
    /// The second: the first answer was lost, and an intermediary retried.
    Last,
}

/// AWS's errors. Code, status and format depend on the called service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsError {
    /// Too many calls: `SlowDown` of S3, `ProvisionedThroughputExceededException` of `DynamoDB`, `RequestThrottled` of
    /// SQS, `TooManyRequestsException` of Lambda, `Throttling` of `CloudFormation` and STS, else `ThrottlingException`.
    Throttling,
    /// A 500.
    Internal,
    /// A 503.
    Unavailable,
    /// Any other, by name.
    Named {
        /// The status.
        status: u16,
        /// The code, such as `ExpiredTokenException`.
        code: String,
        /// The message.
        message: String,
    },
}

/// Google's errors: a gRPC code, from which the REST error is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoogleError {
    /// `UNAVAILABLE`, 503.
    Unavailable,
    /// `ABORTED`, 409.
    Aborted,
    /// `RESOURCE_EXHAUSTED`, 429.
    ResourceExhausted,
    /// `DEADLINE_EXCEEDED`, 504.
    DeadlineExceeded,
    /// `INTERNAL`, 500.
    Internal,
    /// `UNAUTHENTICATED`, 401.
    Unauthenticated,
    /// `PERMISSION_DENIED`, 403.
    PermissionDenied,
    /// `CANCELLED`, 499.
    Cancelled,
    /// `UNKNOWN`, 500.
    Unknown,
}

/// A filter for calls: a call matches if it agrees with every field that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The service: `sqs`, `dynamodb`, `s3`, `lambda`, `cloudformation`, `sts`, … as AWS's signatures name it;
    /// `pubsub`, `firestore`, `storage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The operation: `PutItem`, `Publish`, `objects.insert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The region that an AWS call was signed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A prefix of the path; for gRPC `/google.pubsub.v1.Publisher/Publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Match {
    /// Matches all calls of a service.
    #[must_use]
    pub fn service(service: impl Into<String>) -> Self {
        Self { service: Some(service.into()), ..Self::default() }
    }

    /// Matches calls whose path has this prefix.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Restricts the filter to this operation.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Restricts the filter to this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// True if `call` matches.
    #[must_use]
    pub fn means(&self, call: &Call) -> bool {
        let agrees = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        agrees(&self.service, &call.service)
            && agrees(&self.operation, &call.operation)
            && agrees(&self.region, call.region.as_deref().unwrap_or_default())
            && self.path.as_deref().is_none_or(|path| call.path.starts_with(path))
    }
}

impl Kind {
    /// The kind's name, as in the key `fault` of a file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(fault) => match fault {
                TcpFault::Refuse => "refuse",
                TcpFault::Cut { .. } => "cut",
                TcpFault::ResetAfter { .. } => "reset_after",
                TcpFault::HalfOpen => "half_open",
                TcpFault::Blackhole { .. } => "blackhole",
                TcpFault::Delay { .. } => "delay",
                TcpFault::Bandwidth { .. } => "bandwidth",
                TcpFault::SlowClose { .. } => "slow_close",
            },
            Self::Http(fault) => match fault {
                HttpFault::AwsError { .. } => "aws_error",
                HttpFault::GoogleError { .. } => "google_error",
                HttpFault::LostResponse { .. } => "lost_response",
                HttpFault::LostRequest { .. } => "lost_request",
                HttpFault::Duplicate { .. } => "duplicate",
                HttpFault::Reorder { .. } => "reorder",
                HttpFault::Latency { .. } => "latency",
                HttpFault::Hang => "hang",
                HttpFault::SlowBody { .. } => "slow_body",
            },
        }
    }
}
