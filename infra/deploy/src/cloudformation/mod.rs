//! `CloudFormation` through change sets: a plan is made and shown before it is executed, events come
//! live, and a failure leads with the resource that failed first and its reason.
//!
//! Every function can be interrupted at any point and called again: it takes up what is there.

mod drift;
mod error;
mod plan;
mod stack;
mod validation;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::TemplateStage;
use serde::Serialize;

pub use drift::drift;
pub use error::Error;
pub use plan::Plan;
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            change_set: Duration::from_mins(5),
            operation: Duration::from_mins(30),
            poll: Duration::from_secs(2),
        }
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
    /// What an interrupted or failed create left is deleted first.
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
            Err(Error::Overtaken { .. }) if round < ROUNDS => round += 1,
            outcome => return outcome,
        }
    }
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

/// Finds out what would change, and changes nothing but what an interrupted create left. The plan
/// holds a change set: [`execute`] or [`discard`] it.
pub async fn plan(
    client: &Client,
    request: &StackRequest<'_>,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Plan, Error> {
    let found = stack::settle(client, request.name, limits, progress).await?;
    let creates = match found {
        Settled::Absent | Settled::InReview => true,
        Settled::Deployed => false,
    };
    plan::make(client, request, creates, limits).await
}

/// Executes a plan, and gives the stack's outputs.
pub async fn execute(
    client: &Client,
    plan: &Plan,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Outputs, Error> {
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

/// Throws a plan away, and the empty stack that one for a new stack made.
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
    if plan.creates && stack::is_empty(client, &plan.stack_id).await? {
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

/// A stack as it was deployed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
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
        Some(Found { status, parameters, outputs, .. }) => {
            Ok(Deployed { status, parameters, outputs })
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
