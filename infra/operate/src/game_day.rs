//! A game day: an outage of a deployed cloud, or of its functions alone, by switches in the cloud's own APIs that can be
//! undone.
//!
//! Before the first switch, the former state is written to a [`Record`]. From it everything is undone, by the command that made
//! it, or by [`heal`] at any later time, even repeatedly. While a record exists, no other game day can begin.
//!
//! | switch | applied | undone |
//! |---|---|---|
//! | queue policy (SQS) | denies all principals `sqs:SendMessage` | the former policy |
//! | event source mapping (Lambda) | disabled | enabled |
//! | reserved concurrency (Lambda) | 0, for ingest and for replicate | the former value, or none |
//! | publishers (Pub/Sub) | `roles/pubsub.publisher` of the topic removed from all members | restored |
//! | push subscription (Pub/Sub) | pushes disabled | pushes restored |
//! | job (Cloud Scheduler) | paused | resumed |
//!
//! Cloud Run's services are unchanged: without pushes and the job nothing calls them. A switch that the caller lacks the rights
//! to undo is not applied: on Google Cloud these rights are checked first.

mod aws;
mod gcp;
mod record;

use std::fmt;
use std::time::Duration;

use args::CloudId;
use cli::Failure;
use deploy::commands::DeployContext;
use infra::Checkout;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

pub use record::{Record, RecordError};

/// Tries at undoing a switch, and the wait between them.
const TRIES: u32 = 5;
const RETRY: Duration = Duration::from_secs(2);

/// The extent of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Its queue refuses messages, and its functions don't run.
    Cloud,
    /// Its functions don't run: messages wait in its queue.
    Functions,
}

/// A switch of one of the clouds, with the former state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    /// On AWS.
    Aws(aws::Switch),
    /// On Google Cloud.
    Gcp(gcp::Switch),
}

impl Switch {
    /// The API call that applies it, in the cloud's notation.
    #[must_use]
    pub fn call(&self) -> String {
        match self {
            Self::Aws(switch) => switch.call(),
            Self::Gcp(switch) => switch.call(),
        }
    }

    /// The API call that undoes it.
    #[must_use]
    pub fn undo_call(&self) -> String {
        match self {
            Self::Aws(switch) => switch.undo_call(),
            Self::Gcp(switch) => switch.undo_call(),
        }
    }

    async fn throw(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::Aws(switch) => switch.throw(site).await,
            Self::Gcp(switch) => switch.throw(site).await,
        }
    }

    async fn undo(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::Aws(switch) => switch.undo(site).await,
            Self::Gcp(switch) => switch.undo(site).await,
        }
    }

    /// [`Self::undo`] with retries.
    async fn surely_undo(&self, site: &DeployContext) -> anyhow::Result<()> {
        for _ in 1..TRIES {
            if self.undo(site).await.is_ok() {
                return Ok(());
            }
            sleep(RETRY).await;
        }
        self.undo(site).await
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(switch) => switch.fmt(f),
            Self::Gcp(switch) => switch.fmt(f),
        }
    }
}

/// The switches for an outage, with the current state, in the order of their application: producers first. Changes nothing. A
/// switch that can't be applied, or already is, is an error.
pub async fn plan(
    site: &DeployContext,
    cloud: CloudId,
    outage: Outage,
) -> Result<Vec<Switch>, Failure> {
    let switches = match cloud {
        CloudId::Aws => Box::pin(aws::plan(site, outage))
            .await
            .map(|all| all.into_iter().map(Switch::Aws).collect()),
        CloudId::Gcp => Box::pin(gcp::plan(site, outage))
            .await
            .map(|all| all.into_iter().map(Switch::Gcp).collect()),
    };
    switches.map_err(Failure::missing)
}

/// Applies every switch of a record. If one fails, the earlier ones stay applied: [`heal`] undoes them.
pub async fn throw(
    site: &DeployContext,
    record: &Record,
    on_step: impl Fn(&str),
) -> anyhow::Result<()> {
    for switch in record.switches() {
        on_step(&switch.call());
        Box::pin(switch.throw(site)).await?;
    }
    Ok(())
}

/// The result of undoing a record.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Healed {
    /// The calls that undid a switch, or found it undone.
    pub undone: Vec<String>,
    /// The switches that are still applied, with the reason.
    pub left: Vec<Left>,
}

/// A switch that could not be undone.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    /// The call that failed.
    pub call: String,
    /// Its error.
    pub problem: String,
}

impl fmt::Display for Healed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for call in &self.undone {
            writeln!(f, "undone: {call}")?;
        }
        for Left { call, problem } in &self.left {
            writeln!(f, "left: {call}: {problem}")?;
        }
        match self.left.len() {
            0 => writeln!(f, "all is as it was before the game day"),
            n => writeln!(f, "{n} switches are still thrown; run `cargo xtask chaos heal` again"),
        }
    }
}

/// Undoes the switches in the record of an environment, the last first, and removes the record once all are undone. `None`: there
/// is no record, so no switch is applied.
pub async fn heal(
    checkout: &Checkout,
    environment: &str,
    on_step: impl Fn(&str),
) -> Result<Option<Healed>, Failure> {
    let Some(mut record) = Record::find(checkout, environment)? else { return Ok(None) };
    let site = match DeployContext::open(&record.place(), checkout) {
        Ok(site) => site,
        // Local clouds that have ended left nothing to undo.
        Err(Failure::MissingPrerequisite(_)) if record.is_local() => {
            record.remove()?;
            return Ok(Some(Healed::default()));
        }
        Err(failure) => return Err(failure),
    };
    let mut healed = Healed::default();
    for switch in record.switches_to_undo() {
        let call = switch.undo_call();
        on_step(&call);
        match Box::pin(switch.surely_undo(&site)).await {
            Ok(()) => {
                record.undone(&switch)?;
                healed.undone.push(call);
            }
            Err(error) => healed.left.push(Left { call, problem: format!("{error:#}") }),
        }
    }
    if healed.left.is_empty() {
        record.remove()?;
    }
    Ok(Some(healed))
}
