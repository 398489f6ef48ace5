//! What a proxy tells of itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::fault_id::FaultId;
use crate::spec::Fault;

/// Something that happened to a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultEvent {
    /// Microseconds since the proxy was started, on a clock that never jumps.
    pub at_us: u64,
    /// Microseconds since 1970, on the system's clock.
    pub unix_us: u64,
    /// The name of the proxy.
    pub proxy: String,
    /// Which fault.
    pub fault: FaultId,
    /// Its kind, such as `delay`.
    pub kind: String,
    /// The kind of event.
    #[serde(flatten)]
    pub happened: FaultEventKind,
}

/// What happened to a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum FaultEventKind {
    /// It is in force from now on.
    Added {
        /// All of it.
        spec: Fault,
    },
    /// It is no longer in force.
    Removed {
        /// How often it had fired.
        fired: u64,
    },
    /// It took effect.
    Fired {
        /// The how manieth time it is, from 1.
        count: u64,
        /// The connection's number in this proxy, from 1; 0 if it hit none.
        connection: u64,
        /// What it did to what: `dynamodb PutItem: 400 ThrottlingException`.
        detail: String,
    },
}

/// Is told of every event, at once and in order; clones tell the same one. It is called while the proxy works, so it
/// must not block.
#[derive(Clone)]
pub struct OnEvent(Arc<dyn Fn(FaultEvent) + Send + Sync>);

impl OnEvent {
    /// Calls `tell`.
    #[must_use]
    pub fn new(tell: impl Fn(FaultEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
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
