//! Finds a stack, and brings it into a state for the next operation.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;

use super::error::{Error, call, is_absent};
use super::watch::Watch;
use super::{Limits, Outputs, Progress};

/// A stack's current state.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) is_protected: bool,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) outputs: Outputs,
}

/// The state of a stack without a running operation.
pub(super) enum Settled {
    /// There is no stack.
    Absent,
    /// An empty stack, created by a change set for a new stack.
    InReview,
    /// Deployed; can be updated.
    Deployed,
    /// Never deployed successfully, or partly deleted: it must be deleted before it can be created.
    Broken {
        /// Its ARN.
        id: String,
        /// Its status.
        status: String,
    },
}

/// Finds a stack by its name or its id. By its id, a deleted one is still found.
pub(super) async fn find(client: &Client, name: &str) -> Result<Option<Found>, Error> {
    let answer = match client.describe_stacks().stack_name(name).send().await {
        Ok(answer) => answer,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(call("describe", name)(error)),
    };
    Ok(answer.stacks().first().map(|stack| Found {
        id: stack.stack_id().unwrap_or(name).to_owned(),
        status: stack.stack_status().map_or_else(String::new, |status| status.as_str().to_owned()),
        is_protected: stack.enable_termination_protection() == Some(true),
        parameters: stack
            .parameters()
            .iter()
            .filter_map(|parameter| {
                Some((
                    parameter.parameter_key()?.to_owned(),
                    parameter.parameter_value()?.to_owned(),
                ))
            })
            .collect(),
        outputs: Outputs(
            stack
                .outputs()
                .iter()
                .filter_map(|output| {
                    Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
                })
                .collect(),
        ),
    }))
}

/// True if a stack is only in review, and has no change set.
pub(super) async fn is_empty(client: &Client, name: &str, id: &str) -> Result<bool, Error> {
    let Some(found) = find(client, id).await? else { return Ok(false) };
    if found.status != "REVIEW_IN_PROGRESS" {
        return Ok(false);
    }
    // By its name: an emulator lists none by the id.
    let answer = client.list_change_sets().stack_name(name).send().await;
    let answer = answer.map_err(call("list the change sets of", name))?;
    // An emulator also lists those of an earlier stack of the same name.
    Ok(!answer.summaries().iter().any(|set| set.stack_id().is_none_or(|stack| stack == id)))
}

/// Waits for running operations, and returns the stack's state. Changes nothing.
pub(super) async fn settle(
    client: &Client,
    name: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Settled, Error> {
    // Each round waits for an operation to end; more than a few mean that another program keeps starting them.
    for _ in 0..4 {
        let Some(Found { id, status, .. }) = find(client, name).await? else {
            return Ok(Settled::Absent);
        };
        match status.as_str() {
            "REVIEW_IN_PROGRESS" => return Ok(Settled::InReview),
            "DELETE_COMPLETE" => return Ok(Settled::Absent),
            "UPDATE_ROLLBACK_FAILED" => {
                let stack = name.to_owned();
                return Err(Error::Stuck { stack, status });
            }
            "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => {
                return Ok(Settled::Broken { id, status });
            }
            running if running.ends_with("_IN_PROGRESS") => {
                wait(client, name, &id, running, limits, progress).await?;
            }
            _ => return Ok(Settled::Deployed),
        }
    }
    Err(Error::TimedOut {
        stack: name.to_owned(),
        status: "busy with other operations".to_owned(),
        seconds: limits.operation.as_secs(),
    })
}

/// Waits until the running operation has ended, with any result.
pub(super) async fn wait(
    client: &Client,
    name: &str,
    id: &str,
    status: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    progress(Progress::Waiting { status });
    let mut watch = Watch::begin(client, name, id).await?;
    // It may have ended between the two requests.
    match find(client, id).await? {
        Some(found) if found.status.ends_with("_IN_PROGRESS") => {
            watch.until_over(client, limits, progress).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Deletes a stack by its id, and waits until that is done.
pub(super) async fn remove(
    client: &Client,
    name: &str,
    id: &str,
    limits: &Limits,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), Error> {
    let mut watch = Watch::begin(client, name, id).await?;
    client.delete_stack().stack_name(id).send().await.map_err(call("delete", name))?;
    // A stack without resources may disappear without an event.
    match find(client, id).await? {
        None => return Ok(()),
        Some(found) if found.status == "DELETE_COMPLETE" => return Ok(()),
        Some(_) => {}
    }
    let status = watch.until_over(client, limits, progress).await?;
    if status == "DELETE_COMPLETE" { Ok(()) } else { Err(watch.failure(client, status).await) }
}
