//! `CloudFormation` through change sets: a plan is made and shown before it is executed, events are shown live, and a
//! failure begins with the resource that failed first and its reason.
//!
//! Every function can be interrupted at any point and called again: it continues from the stack's current state.

mod drift;
mod error;
mod plan;
mod resources;
mod stack;
mod template;
mod validation;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::TemplateStage;
use serde::Serialize;

pub use drift::{Compared, drift, is_same};
pub use error::Error;
pub use plan::{Clears, Plan};
pub use resources::{Resource, resources};
pub use watch::StackEvent;

use stack::{Found, Settled};
use watch::Watch;

/// The first pause between two polls; each further one is longer.
const FIRST_POLL: Duration = Duration::from_millis(50);
/// The most plans of one operation while other deploys interfere. One other deploy of two stacks can do so four times: at
/// the plan and at the execution of each.
pub(crate) const ROUNDS: u32 = 10;

/// The wanted state of a stack.
#[derive(Clone, Debug)]
pub struct StackRequest<'a> {
    /// The stack's name.
    pub name: &'a str,
    /// The template itself, at most 51,200 bytes.
    pub template: &'a str,
    /// Values of its parameters, all that have no default.
    pub parameters: &'a BTreeMap<String, String>,
    /// Tags of the stack, which are passed on to its resources.
    pub tags: &'a BTreeMap<String, String>,
}

/// Bounds of all waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a change set to be created.
    pub change_set: Duration,
    /// For a stack operation to end.
    pub operation: Duration,
    /// The longest pause between two polls; the first are shorter.
    pub poll: Duration,
    /// The longest pause before the first replanning; it doubles each time.
    pub again: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            change_set: Duration::from_mins(5),
            operation: Duration::from_mins(30),
            poll: Duration::from_secs(2),
            again: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The pause before replanning: random, and longer from time to time, so that of two programs that keep interfering with
    /// each other one gets through.
    pub(crate) fn pause(&self, round: u32) -> Duration {
        let longest = self.again.saturating_mul(1 << round.saturating_sub(1).min(5));
        rand::random_range(longest / 4..=longest)
    }
}

/// Progress of an operation.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// Waiting for another operation to end.
    Waiting {
        /// The stack's status.
        status: &'a str,
    },
    /// Another deploy interfered; the plan is made again after a pause.
    Overtaken {
        /// The number of this replanning, from 1.
        round: u32,
        /// The pause.
        pause: Duration,
    },
    /// A failed stack is deleted first.
    Clearing {
        /// The stack's status.
        status: &'a str,
    },
    /// The plan is made; its changes are executed next.
    Planned(&'a Plan),
    /// A resource's event.
    Event(&'a StackEvent),
}

/// The stack's outputs by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Outputs(pub BTreeMap<String, String>);

impl Outputs {
    /// An output that the template has.
    pub fn get(&self, key: &str) -> Result<&str, Error> {
        self.0.get(key).map(String::as_str).ok_or_else(|| Error::NoOutput {
            key: key.to_owned(),
            known: self.0.keys().cloned().collect(),
        })
    }
}

/// Brings the stack into the state of `request`, and returns its outputs. No changes is success. If another deploy
/// interferes, this waits for its end and plans again.
pub async fn apply(
    client: &Client,
    request: &StackRequest<'_>,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Outputs, Error> {
    let mut round = 1;
    loop {
        let outcome = apply_once(client, request, limits, progress).await;
        match outcome {
            Err(Error::Overtaken { .. }) if round < ROUNDS => {
                wait_for_turn(round, limits, progress).await;
                round += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Waits, so that the other deploy can proceed.
pub(crate) async fn wait_for_turn(
    round: u32,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) {
    let pause = limits.pause(round);
    progress(Progress::Overtaken { round, pause });
    tokio::time::sleep(pause).await;
}

async fn apply_once(
    client: &Client,
    request: &StackRequest<'_>,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Outputs, Error> {
    let plan = plan(client, request, limits, progress).await?;
    progress(Progress::Planned(&plan));
    execute(client, &plan, limits, progress).await
}

/// Determines the changes. Nothing is changed: the plan holds a change set, to be [`execute`]d or [`discard`]ed; for a
/// missing stack an empty one is created, which is removed with it. A stack that must be deleted before it accepts a change
/// set is left unchanged, and the plan says so.
pub async fn plan(
    client: &Client,
    request: &StackRequest<'_>,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Plan, Error> {
    let found = stack::settle(client, request.name, limits, progress).await?;
    match found {
        Settled::Absent => plan::make(client, request, plan::Kind::New, limits).await,
        Settled::InReview => plan::make(client, request, plan::Kind::InReview, limits).await,
        Settled::Deployed => plan::make(client, request, plan::Kind::Update, limits).await,
        Settled::Broken { id, status } => plan::instead(client, request, id, status).await,
    }
}

/// Waits for running operations; an error if no plan can be made. Changes nothing.
pub async fn look(
    client: &Client,
    name: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    stack::settle(client, name, limits, progress).await.map(drop)
}

/// Executes a plan, and returns the stack's outputs.
pub async fn execute(
    client: &Client,
    plan: &Plan,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Outputs, Error> {
    if let Some(clears) = &plan.clears {
        let made = make_anew(client, plan, clears, limits, progress).await?;
        return Box::pin(execute(client, &made, limits, progress)).await;
    }
    if let Some(change_set) = &plan.change_set {
        // CloudFormation refuses to create a stack twice; an emulator does it, and deletes the first one's resources.
        let found = stack::find(client, &plan.stack_id).await?;
        if plan.creates && found.is_none_or(|found| found.status != "REVIEW_IN_PROGRESS") {
            return Err(Error::Overtaken { stack: plan.stack.clone() });
        }
        let mut watch = Watch::begin(client, &plan.stack, &plan.stack_id).await?;
        client
            .execute_change_set()
            .stack_name(&plan.stack_id)
            .change_set_name(change_set)
            .send()
            .await
            .map_err(|error| error::not_executed(&plan.stack, &error))?;
        let status = watch.until_over(client, limits, progress).await?;
        match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" => {}
            // No executed change set of this program deletes a stack.
            "DELETE_COMPLETE" => return Err(Error::Overtaken { stack: plan.stack.clone() }),
            _ => return Err(watch.failure(client, status).await),
        }
    }
    outputs(client, &plan.stack).await
}

/// Deletes the failed stack, and plans it as a new one. The stack must still be in the state that was agreed to.
async fn make_anew(
    client: &Client,
    plan: &Plan,
    clears: &Clears,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Plan, Error> {
    let overtaken = || Error::Overtaken { stack: plan.stack.clone() };
    if let Some(found) = stack::find(client, &plan.stack_id).await?
        && found.status != "DELETE_COMPLETE"
    {
        let now = plan::clears(client, &plan.stack_id, found.status).await;
        if now != *clears {
            return Err(overtaken());
        }
        plan.may_be_cleared()?;
        progress(Progress::Clearing { status: &clears.status });
        stack::remove(client, &plan.stack, &plan.stack_id, limits, progress).await?;
    }
    let request = clears.request.borrowed(&plan.stack);
    let made = self::plan(client, &request, limits, progress).await?;
    if made.creates && made.clears.is_none() {
        return Ok(made);
    }
    discard(client, &made, limits).await?;
    Err(overtaken())
}

/// Discards a plan, and the empty stack that was created for it.
pub async fn discard(client: &Client, plan: &Plan, limits: &Limits) -> Result<(), Error> {
    let Some(change_set) = &plan.change_set else {
        return Ok(());
    };
    let deleted = client
        .delete_change_set()
        .stack_name(&plan.stack_id)
        .change_set_name(change_set)
        .send()
        .await;
    match deleted {
        Err(error) if !error::is_gone(&error) => {
            return Err(error::call("delete the change set of", &plan.stack)(error));
        }
        _ => {}
    }
    // Another deploy may have deployed it meanwhile.
    if plan.made_stack && stack::is_empty(client, &plan.stack, &plan.stack_id).await? {
        stack::remove(client, &plan.stack, &plan.stack_id, limits, &mut |_| ()).await?;
    }
    Ok(())
}

/// Deletes the stack and waits until that is done. A missing stack is success.
pub async fn delete(
    client: &Client,
    name: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    let Some(Found { id, status, .. }) = stack::find(client, name).await? else {
        return Ok(());
    };
    // A delete can interrupt a create, but not an update.
    if status.starts_with("UPDATE") && status.ends_with("_IN_PROGRESS") {
        stack::wait(client, name, &id, &status, limits, progress).await?;
    }
    stack::remove(client, name, &id, limits, progress).await
}

/// Sets or removes a stack's protection from deletion.
pub async fn protect(client: &Client, name: &str, protected: bool) -> Result<(), Error> {
    let asked = client.update_termination_protection().stack_name(name);
    let answer = asked.enable_termination_protection(protected).send().await;
    answer.map(drop).map_err(error::call("set the termination protection of", name))
}

/// A deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its ARN, which still identifies it after its deletion.
    pub id: String,
    /// True if it is protected from deletion.
    pub is_protected: bool,
    /// Its status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: Outputs,
}

/// An existing stack.
pub async fn deployed(client: &Client, name: &str) -> Result<Deployed, Error> {
    match stack::find(client, name).await? {
        Some(Found { id, status, is_protected, parameters, outputs }) => {
            Ok(Deployed { id, is_protected, status, parameters, outputs })
        }
        None => Err(Error::NoStack { stack: name.to_owned() }),
    }
}

/// The template that a stack was deployed from, as written.
pub async fn template(client: &Client, name: &str) -> Result<String, Error> {
    let answer = client
        .get_template()
        .stack_name(name)
        .template_stage(TemplateStage::Original)
        .send()
        .await
        .map_err(error::call("read the template of", name))?;
    Ok(answer.template_body().unwrap_or_default().to_owned())
}

/// The stack's status, such as `UPDATE_COMPLETE`; `None` if there is no such stack.
pub async fn status(client: &Client, name: &str) -> Result<Option<String>, Error> {
    Ok(stack::find(client, name).await?.map(|found| found.status))
}

/// The outputs of an existing stack.
pub async fn outputs(client: &Client, name: &str) -> Result<Outputs, Error> {
    match stack::find(client, name).await? {
        Some(found) => Ok(found.outputs),
        None => Err(Error::NoStack { stack: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
