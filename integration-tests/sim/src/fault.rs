//! A fault of a run, as the history and the report have it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A fault of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    /// Its number in the run. A fault of several clouds has one number, and an event for each cloud.
    pub number: u32,
    /// Its kind.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// A cloud is gone with all its data.
    KillCloud,
    /// A cloud does not answer, and keeps its data.
    PauseCloud,
    /// A cloud takes no messages of the producer, as if it were gone.
    CutCloud,
    /// The link of the producer to a cloud is cut, for a time in which another cloud need not take over.
    CutProducer,
    /// The functions of the other clouds can't reach a cloud.
    CutPeer,
    /// A service of a cloud answers with errors, or not at all.
    Fail {
        /// The service.
        service: Service,
    },
    /// A service of a cloud does what it is asked to, and its answers are lost.
    LoseAnswers {
        /// The service.
        service: Service,
    },
    /// A cloud throttles calls.
    Throttle,
    /// A cloud refuses the credentials of the producer.
    ExpireCredentials,
    /// Answers of a cloud are late.
    Slow,
    /// Messages are delivered twice.
    Duplicate,
    /// Messages are delivered in another order.
    Reorder,
    /// The clock of the functions of a cloud is wrong.
    Skew,
    /// A function is killed.
    KillFunction,
    /// The producer is killed. It belongs to no cloud; the history has the fault at AWS.
    KillProducer,
    /// A queue gets messages that can't be decoded.
    Poison,
}

/// A service of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The queue.
    Queue,
    /// The archive.
    Archive,
    /// The store of the candles.
    Store,
    /// The functions.
    Functions,
    /// All of them.
    All,
}

impl Fault {
    /// The fault with this number.
    #[must_use]
    pub fn new(number: u32, kind: FaultKind) -> Self {
        Self { number, kind }
    }
}

impl FaultKind {
    /// True if it takes a whole cloud away, so that another cloud must take over.
    #[must_use]
    pub fn takes_cloud_away(self) -> bool {
        matches!(self, Self::KillCloud | Self::PauseCloud | Self::CutCloud)
    }

    /// True if a cloud with this fault can't be asked to take over, while it lasts and a little after.
    #[must_use]
    pub fn hinders_takeover(self) -> bool {
        match self {
            Self::CutProducer | Self::LoseAnswers { .. } | Self::Slow => true,
            Self::Fail { service } => matches!(service, Service::Queue | Service::All),
            _ => false,
        }
    }
}

/// Such as `kill_cloud 1`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.kind, self.number))
    }
}

/// Such as `fail_store`.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillCloud => "kill_cloud",
            Self::PauseCloud => "pause_cloud",
            Self::CutCloud => "cut_cloud",
            Self::CutProducer => "cut_producer",
            Self::CutPeer => "cut_peer",
            Self::Fail { service } => return write!(f, "fail_{service}"),
            Self::LoseAnswers { service } => return write!(f, "lose_{service}"),
            Self::Throttle => "throttle",
            Self::ExpireCredentials => "expire_credentials",
            Self::Slow => "slow",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Skew => "skew",
            Self::KillFunction => "kill_function",
            Self::KillProducer => "kill_producer",
            Self::Poison => "poison",
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Archive => "archive",
            Self::Store => "store",
            Self::Functions => "functions",
            Self::All => "all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_data_and_a_name() {
        let fault = Fault::new(3, FaultKind::Fail { service: Service::Store });
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(json, r#"{"number":3,"kind":"fail","service":"store"}"#);
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
        assert_eq!(fault.to_string(), "fail_store 3");
        assert!(serde_json::from_str::<Fault>(r#"{"number":3,"kind":"fail_store"}"#).is_err());
    }

    #[test]
    fn a_cloud_that_is_away_is_not_asked_to_take_over() {
        let hinders = |kind: FaultKind| kind.hinders_takeover();
        assert!(hinders(FaultKind::Fail { service: Service::Queue }));
        assert!(!hinders(FaultKind::Fail { service: Service::Store }));
        assert!(!hinders(FaultKind::CutPeer));
    }
}
