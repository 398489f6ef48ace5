//! Events of a proxy.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::fault_id::FaultId;
use crate::spec::Fault;

/// An event of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultEvent {
    /// Microseconds since the proxy was started, on a clock that never jumps.
    pub at_us: u64,
    /// Microseconds since 1970, on the system's clock.
    pub unix_us: u64,
    /// The name of the proxy.
    pub proxy: String,
    /// The id of the fault.
    pub fault: FaultId,
    /// Its kind, such as `delay`.
    pub kind: String,
    /// The kind of event.
    #[serde(flatten)]
    pub happened: FaultEventKind,
}

/// The kind of a fault's event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum FaultEventKind {
    /// The fault is in force from now on.
    Added {
        /// The fault.
        spec: Fault,
    },
    /// The fault is no longer in force.
    Removed {
        /// Its number of firings.
        fired: u64,
    },
    /// The fault took effect.
    Fired {
        /// The number of this firing, from 1.
        count: u64,
        /// The connection's number in this proxy, from 1; 0 if none was affected.
        connection: u64,
        /// The effect, such as `dynamodb PutItem: 400 ThrottlingException`.
        detail: String,
    },
}

/// A callback for every event, immediately and in order; clones share it. The proxy waits for it, so it must not
/// block.
#[derive(Clone)]
pub struct OnEvent(Arc<dyn Fn(FaultEvent) + Send + Sync>);

impl OnEvent {
    /// A callback that calls `tell`.
    #[must_use]
    pub fn new(tell: impl Fn(FaultEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// A callback that does nothing.
    #[must_use]
    pub fn ignore() -> Self {
        Self::new(drop)
    }

    pub(crate) fn tell(&self, event: FaultEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for OnEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnEvent")
    }
}

pub(crate) fn unix_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
