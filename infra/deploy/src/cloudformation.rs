//! `CloudFormation` through change sets: a plan is made and shown before it is executed, events come
//! live, and a failure leads with the resource that failed first and its reason.
//!
//! Every function can be interrupted at any point and called again: it takes up what is there.

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

/// The first pause between two looks; each further one is longer.
const FIRST_POLL: Duration = Duration::from_millis(50);
/// How often a plan is made anew when other deploys come in between. One other deploy of two stacks can do so four times:
/// at the plan and at the execution of each.
pub(crate) const ROUNDS: u32 = 10;

/// What a stack shall be.
#[derive(Clone, Debug)]
pub struct StackRequest<'a> {
    /// The stack's name.
    pub name: &'a str,
    /// The template itself, at most 51,200 bytes.
    pub template: &'a str,
    /// Values of its parameters, all that have no default.
    pub parameters: &'a BTreeMap<String, String>,
    /// Tags of the stack, which hands them on to its resources.
    pub tags: &'a BTreeMap<String, String>,
}

/// Bounds of all waiting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a change set is there.
    pub change_set: Duration,
    /// Until a stack operation is over.
    pub operation: Duration,
    /// The longest pause between two looks; the first are shorter.
    pub poll: Duration,
    /// The longest pause before a plan is made anew for the first time; it doubles with each time.
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
    /// The pause before a plan is made anew: drawn anew by each program and each time, and longer from time to time, so that
    /// of two programs that overtake each other one gets through.
    pub(crate) fn pause(&self, round: u32) -> Duration {
        let longest = self.again.saturating_mul(1 << round.saturating_sub(1).min(5));
        rand::random_range(longest / 4..=longest)
    }
}

/// What is going on, as it happens.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// Another operation is under way, and is waited for.
    Waiting {
        /// The stack's status.
        status: &'a str,
    },
    /// Another deploy came in between; the plan is made anew after a pause.
    Overtaken {
        /// The time that it is: the first is 1.
        round: u32,
        /// The pause.
        pause: Duration,
    },
    /// The rest of a stack that failed is deleted first.
    Clearing {
        /// The stack's status.
        status: &'a str,
    },
    /// The plan is made; its changes are executed next.
    Planned(&'a Plan),
    /// Something happened to a resource.
    Event(&'a StackEvent),
}

/// The stack's outputs by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Outputs(pub BTreeMap<String, String>);

impl Outputs {
    /// An output that the template is known to have.
    pub fn get(&self, key: &str) -> Result<&str, Error> {
        self.0.get(key).map(String::as_str).ok_or_else(|| Error::NoOutput {
            key: key.to_owned(),
            known: self.0.keys().cloned().collect(),
        })
    }
}

/// Makes the stack what `request` says, and gives its outputs. No changes is success. When another
/// deploy comes in between, its end is waited for and the plan made anew.
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

/// Lets the other deploy go ahead.
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

/// Finds out what would change. Nothing is changed: the plan holds a change set, to be [`execute`]d or [`discard`]ed,
/// and one for a stack that isn't there makes an empty stack for it, which goes with it. A stack that takes no change set
/// before it is deleted is left as it is, and the plan says so.
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

/// Waits for what is under way, and is an error where no plan can be made. It changes nothing.
pub async fn look(
    client: &Client,
    name: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    stack::settle(client, name, limits, progress).await.map(drop)
}

/// Executes a plan, and gives the stack's outputs.
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
        // CloudFormation refuses to create a stack twice; an emulator does it, and takes away what the first one made.
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
            // Nothing that was executed here deletes a stack.
            "DELETE_COMPLETE" => return Err(Error::Overtaken { stack: plan.stack.clone() }),
            _ => return Err(watch.failure(client, status).await),
        }
    }
    outputs(client, &plan.stack).await
}

/// Deletes what is in the way, and plans the stack as a new one. It must be as it was when that was agreed to.
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

/// Throws a plan away, and the empty stack that was made for it.
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
    // Another deploy may have made a stack of it by now.
    if plan.made_stack && stack::is_empty(client, &plan.stack, &plan.stack_id).await? {
        stack::remove(client, &plan.stack, &plan.stack_id, limits, &mut |_| ()).await?;
    }
    Ok(())
}

/// Deletes the stack and waits until it is gone. One that isn't there is success.
pub async fn delete(
    client: &Client,
    name: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    let Some(Found { id, status, .. }) = stack::find(client, name).await? else {
        return Ok(());
    };
    // An update can't be cut short by a delete; a create can.
    if status.starts_with("UPDATE") && status.ends_with("_IN_PROGRESS") {
        stack::wait(client, name, &id, &status, limits, progress).await?;
    }
    stack::remove(client, name, &id, limits, progress).await
}

/// Protects a stack from being deleted, or no longer.
pub async fn protect(client: &Client, name: &str, protected: bool) -> Result<(), Error> {
    let asked = client.update_termination_protection().stack_name(name);
    let answer = asked.enable_termination_protection(protected).send().await;
    answer.map(drop).map_err(error::call("set the termination protection of", name))
}

/// A stack as it was deployed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its ARN, by which it is known after it was deleted.
    pub id: String,
    /// It is protected from being deleted.
    pub is_protected: bool,
    /// Its status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: Outputs,
}

/// A stack that is there.
pub async fn deployed(client: &Client, name: &str) -> Result<Deployed, Error> {
    match stack::find(client, name).await? {
        Some(Found { id, status, is_protected, parameters, outputs }) => {
            Ok(Deployed { id, is_protected, status, parameters, outputs })
        }
        None => Err(Error::NoStack { stack: name.to_owned() }),
    }
}

/// The template that a stack was deployed from, as it was written.
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

/// The stack's status, such as `UPDATE_COMPLETE`; none if it isn't there.
pub async fn status(client: &Client, name: &str) -> Result<Option<String>, Error> {
    Ok(stack::find(client, name).await?.map(|found| found.status))
}

/// The outputs of a stack that is there.
pub async fn outputs(client: &Client, name: &str) -> Result<Outputs, Error> {
    match stack::find(client, name).await? {
        Some(found) => Ok(found.outputs),
        None => Err(Error::NoStack { stack: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
