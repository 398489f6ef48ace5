//! A game day: a deployed cloud, or its functions alone, are taken away for a while, by switches of the cloud's own APIs
//! that can be undone.
//!
//! Before the first one is thrown, all that was there is written to a [`Record`]. From it everything is undone again, by
//! whoever has thrown it, or by [`heal`] at any later time, also twice. While there is a record no other game day begins.
//!
//! | switch | thrown | undone |
//! |---|---|---|
//! | queue policy (SQS) | denies everybody `sqs:SendMessage` | the policy as it was |
//! | event source mapping (Lambda) | disabled | enabled |
//! | reserved concurrency (Lambda) | 0, for ingest and for replicate | as it was, or none |
//! | publishers (Pub/Sub) | `roles/pubsub.publisher` of the topic taken from all that have it | given back |
//! | push subscription (Pub/Sub) | pushes nowhere | pushes as before |
//! | job (Cloud Scheduler) | paused | resumed |
//!
//! Cloud Run's services are left alone: without pushes and without the job nothing calls them. A switch that can't be undone with the
//! caller's rights is not thrown: on Google Cloud they are asked for first.

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

/// What is taken away of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Its queue refuses messages, and its functions don't run.
    Cloud,
    /// Its functions don't run: messages wait in its queue.
    Functions,
}

/// A switch of one of both clouds, and what was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    /// Of AWS.
    Aws(aws::Switch),
    /// Of Google Cloud.
    Gcp(gcp::Switch),
}

impl Switch {
    /// What throwing it calls, in the cloud's words.
    #[must_use]
    pub fn call(&self) -> String {
        match self {
            Self::Aws(switch) => switch.call(),
            Self::Gcp(switch) => switch.call(),
        }
    }

    /// What undoing it calls.
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

    /// [`Self::undo`], a few times if need be.
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

/// The switches that take a cloud's part away, as they are now, in the order in which they are thrown: producers first.
/// Changes nothing. What can't be taken away, or is away already, is an error of the environment.
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

/// Throws every switch of a record that was begun. If one can't be thrown, those before it are: [`heal`] undoes them.
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

/// What undoing a record came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Healed {
    /// The calls that undid something, or found it undone.
    pub undone: Vec<String>,
    /// The switches that are still thrown, and why.
    pub left: Vec<Left>,
}

/// A switch that could not be undone.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    /// What was called.
    pub call: String,
    /// What came of it.
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

/// Undoes what the record of an environment says, the last first, and removes the record once all is undone. `None`:
/// there is no record, so nothing is thrown.
pub async fn heal(
    checkout: &Checkout,
    environment: &str,
    on_step: impl Fn(&str),
) -> Result<Option<Healed>, Failure> {
    let Some(mut record) = Record::find(checkout, environment)? else { return Ok(None) };
    let site = match DeployContext::open(&record.place(), checkout) {
        Ok(site) => site,
        // Local clouds that are gone took everything with them.
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
