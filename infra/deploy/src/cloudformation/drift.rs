//! What was changed by hand since the stack was deployed.

use std::time::Instant;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus,
};

use crate::plan::{Action, Change, PropertyChange, Replacement};

use super::Limits;
use super::error::{Error, call, is_absent};

/// Compares each resource with what the stack says of it. What differs comes back as a change that
/// somebody made: `before` is the stack's word, `after` is what is there.
pub async fn drift(client: &Client, stack: &str, limits: &Limits) -> Result<Vec<Change>, Error> {
    let answer = match client.detect_stack_drift().stack_name(stack).send().await {
        Ok(answer) => answer,
        Err(error) if is_absent(&error) => {
            return Err(Error::NoStack { stack: stack.to_owned() });
        }
        Err(error) => return Err(call("look for drift of", stack)(error)),
    };
    wait(client, stack, answer.stack_drift_detection_id().unwrap_or_default(), limits).await?;

    let mut changes = Vec::new();
    let mut next = None;
    loop {
        let page = client
            .describe_stack_resource_drifts()
            .stack_name(stack)
            .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
            .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
            .set_next_token(next.take())
            .send()
            .await
            .map_err(call("read the drift of", stack))?;
        changes.extend(page.stack_resource_drifts().iter().map(typed));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(changes);
        }
    }
}

async fn wait(client: &Client, stack: &str, detection: &str, limits: &Limits) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = super::FIRST_POLL;
    loop {
        let answer = client
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(detection)
            .send()
            .await
            .map_err(call("look for drift of", stack))?;
        match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionComplete) => return Ok(()),
            // Some resources could not be looked at; those that could are still listed.
            Some(StackDriftDetectionStatus::DetectionFailed) => {
                let reason = answer.detection_status_reason().unwrap_or("no reason was given");
                return Err(Error::NoDrift { stack: stack.to_owned(), reason: reason.to_owned() });
            }
            _ => {}
        }
        if started.elapsed() >= limits.change_set {
            return Err(Error::TimedOut {
                stack: stack.to_owned(),
                status: "being compared".to_owned(),
                seconds: limits.change_set.as_secs(),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(limits.poll);
    }
}

fn typed(drift: &StackResourceDrift) -> Change {
    let deleted = drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted);
    let mut properties: Vec<PropertyChange> =
        drift.property_differences().iter().map(property).collect();
    properties.sort();
    Change {
        action: if deleted { Action::Remove } else { Action::Modify },
        address: drift.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: drift.resource_type().unwrap_or_default().to_owned(),
        replacement: Replacement::No,
        properties,
    }
}

fn property(difference: &PropertyDifference) -> PropertyChange {
    PropertyChange {
        path: difference.property_path().unwrap_or_default().to_owned(),
        before: difference.expected_value().map(str::to_owned),
        after: difference.actual_value().map(str::to_owned),
    }
}
