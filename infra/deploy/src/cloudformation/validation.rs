//! `CloudFormation`'s validation errors from before any resource is changed: the operation only
//! reports that there are some, and where to find them.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{EventFilter, OperationEvent};

/// A resource that fails validation.
pub(super) struct Finding {
    /// Its logical name and type.
    pub(super) resource: String,
    /// The problem.
    pub(super) reason: String,
}

/// The findings of a stack's latest operation.
pub(super) async fn of_stack(client: &Client, stack_id: &str) -> Option<Finding> {
    let request = client.describe_events().stack_name(stack_id);
    first(request.filters(failed()).send().await.ok()?.operation_events())
}

/// The findings of a change set.
pub(super) async fn of_change_set(client: &Client, change_set: &str) -> Option<Finding> {
    let request = client.describe_events().change_set_name(change_set);
    first(request.filters(failed()).send().await.ok()?.operation_events())
}

fn failed() -> EventFilter {
    EventFilter::builder().failed_events(true).build()
}

fn first(events: &[OperationEvent]) -> Option<Finding> {
    events.iter().find_map(|event| {
        let name = event.logical_resource_id()?;
        let resource = match event.resource_type() {
            Some(kind) => format!("{name} ({kind})"),
            None => name.to_owned(),
        };
        Some(Finding { resource, reason: event.validation_status_reason()?.to_owned() })
    })
}
