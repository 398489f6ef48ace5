//! The resources that a stack lists.

use std::fmt;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{ResourceStatus, StackResourceDriftStatus};
use serde::Serialize;

use super::error::{Error, call};

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type, such as `AWS::SQS::Queue`.
    pub resource_type: String,
    /// Its real name or ARN; empty if it never had one.
    pub physical_id: String,
    /// Its status, such as `CREATE_COMPLETE`.
    pub status: String,
    /// True if `CloudFormation` compared it in the last drift detection.
    #[serde(skip)]
    pub is_compared: bool,
}

impl Resource {
    /// True if the resource may exist: it was created and not deleted since.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let gone = ["DELETE_COMPLETE", "DELETE_SKIPPED"];
        !self.physical_id.is_empty() && !gone.contains(&self.status.as_str())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.logical_id, self.resource_type, self.physical_id)
    }
}

/// All resources that a stack lists, sorted. A deleted stack is found by its id only.
pub async fn resources(client: &Client, stack: &str) -> Result<Vec<Resource>, Error> {
    let mut resources = Vec::new();
    let mut next = None;
    loop {
        let page = client
            .list_stack_resources()
            .stack_name(stack)
            .set_next_token(next.take())
            .send()
            .await
            .map_err(call("list the resources of", stack))?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        resources.extend(page.stack_resource_summaries().iter().map(|summary| {
            let compared =
                summary.drift_information().and_then(|drift| drift.stack_resource_drift_status());
            Resource {
                logical_id: text(summary.logical_resource_id()),
                resource_type: text(summary.resource_type()),
                physical_id: text(summary.physical_resource_id()),
                status: text(summary.resource_status().map(ResourceStatus::as_str)),
                is_compared: matches!(
                    compared,
                    Some(
                        StackResourceDriftStatus::InSync
                            | StackResourceDriftStatus::Modified
                            | StackResourceDriftStatus::Deleted
                    )
                ),
            }
        }));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            resources.sort();
            return Ok(resources);
        }
    }
}
