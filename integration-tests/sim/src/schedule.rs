//! Faults by the clock: what `chaos --schedule FILE` reads, what `chaos --schedules N` makes up, and what a failing one is
//! shrunk to. Played by [`crate::simulation`].
//!
//! ```toml
//! route = "aws"            # or gcp, or both (the default): where the producer is to send to
//!
//! [[fault]]
//! at_ms = 1500             # after the start
//! fault = "kill"           # see the table
//! cloud = "aws"
//! for_ms = 3000
//! ```
//!
//! | fault | what happens | more settings |
//! |---|---|---|
//! | `kill` | the cloud and all that it holds is gone; it comes back empty | |
//! | `pause` | the cloud does not answer, and goes on where it was | |
//! | `cut` | no call reaches the cloud over a link | `link` = `producer`, `peer` or `all`; `hang` = no answer, instead of a refusal |
//! | `one-way` | calls reach the cloud over a link, and no answer comes back | `link` |
//! | `fail` | a service answers with an error and does nothing | `service` = `queue`, `archive`, `store` or `all`; `percent` |
//! | `hang` | a service does not answer and does nothing | `service` |
//! | `throttle` | all services throttle calls | `percent` |
//! | `expire-credentials` | the credentials of the producer are refused | |
//! | `stop-functions` | the functions of the cloud don't run | |
//! | `lose-answers` | a service does what is asked, and the answer is lost | `service`, `percent` |
//! | `slow` | every answer comes up to `delay_ms` late | `delay_ms` |
//! | `duplicate` | messages arrive twice | `percent` of the publishes |
//! | `reorder` | messages arrive in another order | `percent` of the deliveries |
//! | `skew` | the clock of the cloud's functions is wrong | `by_ms` ahead; behind, if below 0 |
//! | `crash-function` | an instance ends between two effects; no `for_ms` | `times` |
//! | `crash-producer` | `kill -9` of the producer; no `cloud` | |

mod loss;
mod random;
mod shrink;

use serde::{Deserialize, Serialize};

pub use random::{Bounds, random};
pub use shrink::shrink;

use crate::fault::FaultKind;
use crate::history::CloudId;
use crate::route::Route;

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Clouds that the producer sends to.
    #[serde(default)]
    pub route: To,
    /// Faults, in any order.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Planned>,
}

/// Clouds that the producer sends to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// To both clouds.
    #[default]
    Both,
    /// To AWS as long as it works.
    Aws,
    /// To Google Cloud as long as it works.
    Gcp,
}

impl To {
    /// As a scenario has it.
    #[must_use]
    pub fn route(self) -> Route {
        match self {
            Self::Both => Route::Mirror,
            Self::Aws => Route::Primary(CloudId::Aws),
            Self::Gcp => Route::Primary(CloudId::Gcp),
        }
    }
}

/// A fault and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Entry", into = "Entry")]
pub struct Planned {
    /// When it begins, after the start of the run.
    pub at_ms: u64,
    /// Its duration; it is healed once it has hit something, if that is later.
    pub for_ms: u64,
    /// Where.
    pub cloud: CloudId,
    /// What.
    pub fault: Fault,
}

impl Planned {
    /// When it is over.
    #[must_use]
    pub fn end_ms(&self) -> u64 {
        self.at_ms + self.for_ms
    }
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A cloud and all that it holds.
    Kill,
    /// A cloud stops in its tracks.
    Pause,
    /// A link to a cloud.
    Cut {
        /// Whose.
        link: Link,
        /// No answer, instead of a refusal.
        hang: bool,
    },
    /// Calls reach a cloud over a link, and their answers are lost.
    OneWay {
        /// The link.
        link: Link,
    },
    /// A service answers with errors.
    Fail {
        /// Which.
        service: Service,
        /// Of its calls.
        percent: u8,
    },
    /// A service does not answer, and does nothing.
    Hang {
        /// The service.
        service: Service,
    },
    /// A cloud throttles calls of all its services.
    Throttle {
        /// Of its calls.
        percent: u8,
    },
    /// The credentials of the producer are refused.
    ExpireCredentials,
    /// The functions of a cloud don't run.
    StopFunctions,
    /// A service does what is asked, and its answers are lost.
    LoseAnswers {
        /// Which.
        service: Service,
        /// Of its calls.
        percent: u8,
    },
    /// Everything takes its time.
    Slow {
        /// So long at most.
        delay_ms: u64,
    },
    /// Messages come twice.
    Duplicate {
        /// Of the publishes.
        percent: u8,
    },
    /// Messages come in another order.
    Reorder {
        /// Of the deliveries.
        percent: u8,
    },
    /// The clock of the functions is wrong.
    Skew {
        /// So much ahead; behind, if below 0.
        by_ms: i64,
    },
    /// A function ends between two effects.
    CrashFunction {
        /// Number of times.
        times: u32,
    },
    /// The producer ends, and another one goes on with its spool. It belongs to no cloud; the history has it at AWS.
    CrashProducer,
}

impl Fault {
    /// Its kind in the history.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match *self {
            Self::Kill => FaultKind::KillCloud,
            Self::Pause => FaultKind::PauseCloud,
            Self::Cut { link: Link::Producer | Link::All, .. }
            | Self::OneWay { link: Link::Producer | Link::All } => FaultKind::CutProducer,
            Self::Cut { link: Link::Peer, .. } | Self::OneWay { link: Link::Peer } => {
                FaultKind::CutPeer
            }
            Self::Fail { service, .. } | Self::Hang { service } => {
                FaultKind::Fail { service: service.into() }
            }
            Self::Throttle { .. } => FaultKind::Throttle,
            Self::ExpireCredentials => FaultKind::ExpireCredentials,
            Self::StopFunctions => FaultKind::Fail { service: crate::fault::Service::Functions },
            Self::LoseAnswers { service, .. } => FaultKind::LoseAnswers { service: service.into() },
            Self::Slow { .. } => FaultKind::Slow,
            Self::Duplicate { .. } => FaultKind::Duplicate,
            Self::Reorder { .. } => FaultKind::Reorder,
            Self::Skew { .. } => FaultKind::Skew,
            Self::CrashFunction { .. } => FaultKind::KillFunction,
            Self::CrashProducer => FaultKind::KillProducer,
        }
    }
}

/// The clients whose calls of a cloud break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// The producer.
    Producer,
    /// The functions of the other cloud, which read its archive.
    Peer,
    /// All of them, and the cloud's own functions.
    All,
}

/// A service of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Messages.
    Queue,
    /// Objects.
    Archive,
    /// Candles.
    Store,
    /// All three.
    All,
}

impl From<Service> for crate::fault::Service {
    fn from(service: Service) -> Self {
        match service {
            Service::Queue => Self::Queue,
            Service::Archive => Self::Archive,
            Service::Store => Self::Store,
            Service::All => Self::All,
        }
    }
}

/// A fault as it stands in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    at_ms: u64,
    fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud: Option<CloudId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hang: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
}

const NAMES: &str = "kill, pause, cut, one-way, fail, hang, throttle, expire-credentials, stop-functions, lose-answers, slow, \
                     duplicate, reorder, skew, crash-function, crash-producer";

impl TryFrom<Entry> for Planned {
    type Error = String;

    fn try_from(mut entry: Entry) -> Result<Self, String> {
        let name = entry.fault.clone();
        let lacks = |what: &str| format!("fault {name:?} at {} ms: it needs `{what}`", entry.at_ms);
        let percent = entry.percent.take();
        let is_percent = |percent: &u8| (1..=100).contains(percent);
        if percent.as_ref().is_some_and(|percent| !is_percent(percent)) {
            return Err(format!("fault {name:?} at {} ms: percent is 1 to 100", entry.at_ms));
        }
        let service = entry.service.take();
        let of_service =
            || Ok::<_, String>((service.ok_or(lacks("service"))?, percent.unwrap_or(100)));
        let fault = match name.as_str() {
            "kill" => Fault::Kill,
            "pause" => Fault::Pause,
            "cut" => Fault::Cut {
                link: entry.link.take().ok_or_else(|| lacks("link"))?,
                hang: entry.hang.take().unwrap_or(false),
            },
            "one-way" => Fault::OneWay { link: entry.link.take().ok_or_else(|| lacks("link"))? },
            "hang" => Fault::Hang { service: service.ok_or_else(|| lacks("service"))? },
            "throttle" => Fault::Throttle { percent: percent.unwrap_or(100) },
            "expire-credentials" => Fault::ExpireCredentials,
            "stop-functions" => Fault::StopFunctions,
            "fail" => of_service().map(|(service, percent)| Fault::Fail { service, percent })?,
            "lose-answers" => {
                of_service().map(|(service, percent)| Fault::LoseAnswers { service, percent })?
            }
            "slow" => {
                Fault::Slow { delay_ms: entry.delay_ms.take().ok_or_else(|| lacks("delay_ms"))? }
            }
            "duplicate" => Fault::Duplicate { percent: percent.unwrap_or(100) },
            "reorder" => Fault::Reorder { percent: percent.unwrap_or(100) },
            "skew" => Fault::Skew { by_ms: entry.by_ms.take().ok_or_else(|| lacks("by_ms"))? },
            "crash-function" => {
                Fault::CrashFunction { times: entry.times.take().unwrap_or(1).max(1) }
            }
            "crash-producer" => Fault::CrashProducer,
            _ => return Err(format!("no fault is called {name:?}; there are {NAMES}")),
        };
        let cloud = match (fault, entry.cloud) {
            (Fault::CrashProducer, None) => CloudId::Aws,
            (Fault::CrashProducer, Some(_)) => {
                return Err(format!(
                    "fault {name:?} at {} ms: the producer is in no cloud; leave `cloud` out",
                    entry.at_ms
                ));
            }
            (_, cloud) => cloud.ok_or_else(|| lacks("cloud"))?,
        };
        let for_ms = match (fault, entry.for_ms) {
            (Fault::CrashFunction { .. }, None) => 0,
            (Fault::CrashFunction { .. }, Some(_)) => {
                return Err(format!(
                    "fault {name:?} at {} ms: it has `times`, and no `for_ms`",
                    entry.at_ms
                ));
            }
            (_, for_ms) => for_ms.ok_or_else(|| lacks("for_ms"))?,
        };
        let has_percent = matches!(
            fault,
            Fault::Fail { .. }
                | Fault::LoseAnswers { .. }
                | Fault::Throttle { .. }
                | Fault::Duplicate { .. }
                | Fault::Reorder { .. }
        );
        let left = [
            ("percent", percent.is_some() && !has_percent),
            ("link", entry.link.is_some()),
            ("hang", entry.hang.is_some()),
            (
                "service",
                service.is_some()
                    && !matches!(
                        fault,
                        Fault::Fail { .. } | Fault::Hang { .. } | Fault::LoseAnswers { .. }
                    ),
            ),
            ("delay_ms", entry.delay_ms.is_some()),
            ("by_ms", entry.by_ms.is_some()),
            ("times", entry.times.is_some()),
        ];
        if let Some((field, _)) = left.iter().find(|(_, is_there)| *is_there) {
            return Err(format!("fault {name:?} at {} ms: it has no `{field}`", entry.at_ms));
        }
        Ok(Self { at_ms: entry.at_ms, for_ms, cloud, fault })
    }
}

impl From<Planned> for Entry {
    fn from(planned: Planned) -> Self {
        let Planned { at_ms, for_ms, cloud, fault } = planned;
        let base = Self { at_ms, for_ms: Some(for_ms), cloud: Some(cloud), ..Self::default() };
        let named = |fault: &str, entry: Self| Self { fault: fault.to_owned(), ..entry };
        match fault {
            Fault::Kill => named("kill", base),
            Fault::Pause => named("pause", base),
            Fault::Cut { link, hang } => {
                named("cut", Self { link: Some(link), hang: hang.then_some(true), ..base })
            }
            Fault::OneWay { link } => named("one-way", Self { link: Some(link), ..base }),
            Fault::Hang { service } => named("hang", Self { service: Some(service), ..base }),
            Fault::Throttle { percent } => {
                named("throttle", Self { percent: Some(percent), ..base })
            }
            Fault::ExpireCredentials => named("expire-credentials", base),
            Fault::StopFunctions => named("stop-functions", base),
            Fault::Fail { service, percent } => {
                named("fail", Self { service: Some(service), percent: Some(percent), ..base })
            }
            Fault::LoseAnswers { service, percent } => named(
                "lose-answers",
                Self { service: Some(service), percent: Some(percent), ..base },
            ),
            Fault::Slow { delay_ms } => named("slow", Self { delay_ms: Some(delay_ms), ..base }),
            Fault::Duplicate { percent } => {
                named("duplicate", Self { percent: Some(percent), ..base })
            }
            Fault::Reorder { percent } => named("reorder", Self { percent: Some(percent), ..base }),
            Fault::Skew { by_ms } => named("skew", Self { by_ms: Some(by_ms), ..base }),
            Fault::CrashFunction { times } => {
                named("crash-function", Self { times: Some(times), for_ms: None, ..base })
            }
            Fault::CrashProducer => named("crash-producer", Self { cloud: None, ..base }),
        }
    }
}

impl Schedule {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// As a file's text.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests;
