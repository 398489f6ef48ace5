//! Deletes a stack: its writers are stopped, its buckets emptied, its protection removed, then it is deleted. In this
//! order, a failure before the deletion restarts the writers and keeps the protection. After an interruption in between,
//! `drift` names the stopped writers.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;

use crate::aws::in_words;
use crate::bucket;
use crate::cloudformation::{self as cfn, Resource};
use crate::commands::aws::Aws;
use crate::commands::report;
use crate::inventory::Item;
use cli::Failure;
use cli::Progress;

/// The longest time that disabling a mapping takes.
const OFF_LIMIT: Duration = Duration::from_mins(5);
const OFF_POLL: Duration = Duration::from_millis(500);
/// The most times that a bucket is emptied while it is still being written to.
const ROUNDS: u32 = 3;

/// A deleted stack.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// The names and ARNs of its deleted resources.
    pub(super) deleted: Vec<String>,
    /// Resources that the stack released without deleting them.
    pub(super) left: Vec<Item>,
}

/// Deletes a stack with all objects in its buckets. Names come from the stack itself: those of the settings may have
/// changed since. `None`: there is no such stack.
pub(super) async fn delete(
    aws: &Aws<'_>,
    stack: &str,
    progress: &Progress,
) -> Result<Option<Gone>, Failure> {
    let deployed = match cfn::deployed(&aws.client, stack).await {
        Ok(deployed) => deployed,
        // Without the stack, a bucket of that name may be another owner's.
        Err(cfn::Error::NoStack { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut resources = cfn::resources(&aws.client, stack).await?;
    resources.retain(Resource::is_there);
    let mut stopped = Vec::new();
    for resource in &resources {
        match stop(aws, resource, progress).await {
            Ok(true) => stopped.push(resource),
            Ok(false) => {}
            Err(problem) => progress.note(format!("note: {resource} goes on: {problem}")),
        }
    }
    let mut round = 1;
    loop {
        if let Err(error) = empty(aws, &resources, progress).await {
            // Before the first deletion: nothing else has changed.
            if round == 1 {
                start_again(aws, &stopped, progress).await;
            }
            return Err(error);
        }
        if round == 1 && deployed.is_protected {
            cfn::protect(&aws.client, stack, false).await?;
        }
        for table in of_type(&resources, "AWS::DynamoDB::Table") {
            unprotect(aws, table).await?;
        }
        progress.now(format!("deleting stack {stack}"));
        let deleted = cfn::delete(&aws.client, stack, &aws.limits, &mut |p| {
            report::stack(progress, &p);
        })
        .await;
        match deleted {
            Ok(()) => break,
            Err(cfn::Error::Failed { reason, .. })
                if round < ROUNDS && reason.contains("not empty") =>
            {
                round += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(gone(aws, &deployed.id, resources).await))
}

async fn empty(aws: &Aws<'_>, resources: &[Resource], progress: &Progress) -> Result<(), Failure> {
    for bucket in of_type(resources, "AWS::S3::Bucket") {
        progress.now(format!("emptying bucket {bucket}"));
        bucket::empty(&aws.config, bucket, &mut |count| {
            progress.now(format!("emptying bucket {bucket}: {count} objects and versions"));
        })
        .await?;
    }
    Ok(())
}

/// The deleted resources by the stack's own record, which remains under its id; without it, all of them count as deleted.
async fn gone(aws: &Aws<'_>, id: &str, before: Vec<Resource>) -> Gone {
    let Ok(after) = cfn::resources(&aws.client, id).await else {
        return Gone { deleted: names(before), left: Vec::new() };
    };
    let (left, deleted): (Vec<Resource>, Vec<Resource>) =
        before.into_iter().partition(|resource| {
            let now = after.iter().find(|now| now.logical_id == resource.logical_id);
            now.is_some_and(|now| now.status != "DELETE_COMPLETE")
        });
    let left = left.into_iter().map(|resource| Item {
        resource_type: resource.resource_type,
        name: resource.physical_id,
        component: None,
    });
    Gone { deleted: names(deleted), left: left.collect() }
}

fn names(resources: Vec<Resource>) -> Vec<String> {
    resources.into_iter().map(|resource| resource.physical_id).collect()
}

fn of_type<'r>(resources: &'r [Resource], kind: &str) -> impl Iterator<Item = &'r str> {
    let of = resources.iter().filter(move |resource| resource.resource_type == kind);
    of.map(|resource| resource.physical_id.as_str())
}

/// Restarts the writers that [`stop`] has stopped.
async fn start_again(aws: &Aws<'_>, stopped: &[&Resource], progress: &Progress) {
    for resource in stopped {
        let id = &resource.physical_id;
        let answer = if resource.resource_type == "AWS::Events::Rule" {
            let client = aws_sdk_eventbridge::Client::new(&aws.config);
            let answer = client.enable_rule().name(id).send().await;
            answer.map(drop).map_err(|error| in_words(&error))
        } else {
            let client = aws_sdk_lambda::Client::new(&aws.config);
            let answer = client.update_event_source_mapping().uuid(id).enabled(true).send().await;
            answer.map(drop).map_err(|error| in_words(&error))
        };
        progress.note(match answer {
            Ok(()) => format!("note: {resource} is switched on again"),
            Err(problem) => format!("note: {resource} stays off: {problem}; switch it on by hand"),
        });
    }
}

/// Stops a writer that would fill a bucket while it is emptied; returns true if it was on.
async fn stop(aws: &Aws<'_>, resource: &Resource, progress: &Progress) -> Result<bool, String> {
    match resource.resource_type.as_str() {
        "AWS::Lambda::EventSourceMapping" => {
            progress.now(format!("switching off {resource}"));
            mapping_off(aws, &resource.physical_id).await
        }
        "AWS::Events::Rule" => rule_off(aws, &resource.physical_id).await,
        _ => Ok(false),
    }
}

async fn rule_off(aws: &Aws<'_>, name: &str) -> Result<bool, String> {
    let client = aws_sdk_eventbridge::Client::new(&aws.config);
    let state = match client.describe_rule().name(name).send().await {
        Ok(rule) => rule.state,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(false),
        Err(error) => return Err(in_words(&error)),
    };
    if state == Some(aws_sdk_eventbridge::types::RuleState::Disabled) {
        return Ok(false);
    }
    let answer = client.disable_rule().name(name).send().await;
    answer.map(|_| true).map_err(|error| in_words(&error))
}

async fn mapping_off(aws: &Aws<'_>, id: &str) -> Result<bool, String> {
    let client = aws_sdk_lambda::Client::new(&aws.config);
    let begun = Instant::now();
    let mut asked = false;
    loop {
        let answer = client.get_event_source_mapping().uuid(id).send().await;
        let state = match answer {
            Ok(answer) => answer.state().unwrap_or_default().to_owned(),
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(asked),
            Err(error) => return Err(in_words(&error)),
        };
        match state.as_str() {
            "Disabled" | "Deleting" => return Ok(asked),
            // A mapping in transition accepts no change.
            "Enabled" if !asked => {
                let answer = client.update_event_source_mapping().uuid(id).enabled(false).send();
                answer.await.map_err(|error| in_words(&error))?;
                asked = true;
            }
            _ if begun.elapsed() >= OFF_LIMIT => {
                return Err(format!("it is still {state} after {} s", OFF_LIMIT.as_secs()));
            }
            _ => tokio::time::sleep(OFF_POLL).await,
        }
    }
}

/// Removes a table's protection, which would make the deletion fail half-way. It was confirmed: see [`super::ready`].
async fn unprotect(aws: &Aws<'_>, table: &str) -> Result<(), Failure> {
    let client = aws_sdk_dynamodb::Client::new(&aws.config);
    let answer =
        client.update_table().table_name(table).deletion_protection_enabled(false).send().await;
    // The table is missing, or it is unprotected and there is nothing to update.
    let done = ["ResourceNotFoundException", "ValidationException", "ResourceInUseException"];
    match answer {
        Err(error) if !error.code().is_some_and(|code| done.contains(&code)) => {
            Err(Failure::Failed(anyhow!(
                "take the deletion protection off table {table}: {}",
                in_words(&error)
            )))
        }
        _ => Ok(()),
    }
}
