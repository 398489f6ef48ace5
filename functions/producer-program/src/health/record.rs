//! The health of the producer, as its main loop records it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The main loop records the health each second. An older record is reported as unhealthy.
const LATE: Duration = Duration::from_secs(5);

/// The health of the producer as last recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    /// The current faults, as text; empty if the producer is healthy.
    pub(crate) troubles: Vec<String>,
    /// Messages that no target has accepted yet.
    pub(crate) messages_waiting: u64,
    /// Seconds since a target last accepted a message; none if no message was accepted since the start.
    pub(crate) accepted_s_ago: Option<u64>,
}

impl Health {
    /// The health at `now` from the last record and its time; without a record, the producer is starting.
    pub(crate) fn now(seen: Option<(Instant, Self)>, now: Instant) -> Self {
        let Some((at, mut health)) = seen else {
            return Self { troubles: vec!["it starts".to_owned()], ..Self::default() };
        };
        let age = now.saturating_duration_since(at);
        if age > LATE {
            health.troubles.push(format!("it has not looked at itself for {} s", age.as_secs()));
        }
        health
    }
}
