//! A stack's events, in order and each once.

use std::fmt;
use std::time::Instant;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::ResourceStatus;
use serde::Serialize;

use super::error::{Error, call, is_absent};
use super::{FIRST_POLL, Limits, Progress, validation};

const STACK: &str = "AWS::CloudFormation::Stack";

/// An event of a resource, or of the stack itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackEvent {
    /// The resource's name in the template; the stack's own name for its own events.
    pub logical_id: String,
    /// The type, such as `AWS::SQS::Queue`.
    pub resource_type: String,
    /// The resource's real name or ARN, once it has one.
    pub physical_id: String,
    /// The status, such as `CREATE_COMPLETE`.
    pub status: String,
    /// The reason, if there is one.
    pub reason: Option<String>,
}

impl StackEvent {
    /// True for a failure of its own; resources cancelled because of another failure don't count.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        let cancelled = self
            .reason
            .as_ref()
            .is_some_and(|reason| reason.to_ascii_lowercase().contains("cancelled"));
        self.status.ends_with("_FAILED") && !cancelled
    }
}

impl fmt::Display for StackEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {} ({})", self.status, self.logical_id, self.resource_type)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// Follows the events of a stack from [`Watch::begin`] on.
pub(super) struct Watch {
    stack: String,
    stack_id: String,
    /// The newest event seen.
    newest: Option<String>,
    first_failure: Option<StackEvent>,
    /// The stack's own last reason.
    last_reason: Option<String>,
}

impl Watch {
    pub(super) async fn begin(client: &Client, stack: &str, stack_id: &str) -> Result<Self, Error> {
        let mut watch = Self {
            stack: stack.to_owned(),
            stack_id: stack_id.to_owned(),
            newest: None,
            first_failure: None,
            last_reason: None,
        };
        let answer = client.describe_stack_events().stack_name(stack_id).send().await;
        match answer {
            Ok(page) => {
                let newest = page.stack_events().first();
                watch.newest = newest.and_then(|event| event.event_id().map(str::to_owned));
                Ok(watch)
            }
            Err(error) if is_absent(&error) => Ok(watch),
            Err(error) => Err(call("read the events of", stack)(error)),
        }
    }

    /// Reports events until the stack's operation ends, and returns its final status.
    pub(super) async fn until_over(
        &mut self,
        client: &Client,
        limits: &Limits,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<String, Error> {
        let started = Instant::now();
        let mut pause = FIRST_POLL;
        let mut status = "in its first step".to_owned();
        loop {
            let Some(events) = self.poll(client).await? else {
                return Ok("DELETE_COMPLETE".to_owned());
            };
            for event in events {
                progress(Progress::Event(&event));
                let own = event.resource_type == STACK && event.physical_id == self.stack_id;
                if own {
                    self.last_reason = event.reason.or(self.last_reason.take());
                    status = event.status;
                    if !status.ends_with("_IN_PROGRESS") {
                        return Ok(status);
                    }
                } else if self.first_failure.is_none() && event.is_failure() {
                    self.first_failure = Some(event);
                }
            }
            if started.elapsed() >= limits.operation {
                return Err(Error::TimedOut {
                    stack: self.stack.clone(),
                    status,
                    seconds: limits.operation.as_secs(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(limits.poll);
        }
    }

    /// The error of a failed operation: the resource that failed first, or a validation error, or
    /// the stack's own reason.
    pub(super) async fn failure(self, client: &Client, status: String) -> Error {
        let unknown = || "no reason was given".to_owned();
        let (resource, reason) = match self.first_failure {
            Some(event) => (
                format!("{} ({})", event.logical_id, event.resource_type),
                event.reason.unwrap_or_else(unknown),
            ),
            None => match validation::of_stack(client, &self.stack_id).await {
                Some(finding) => (finding.resource, finding.reason),
                None => ("the stack itself".to_owned(), self.last_reason.unwrap_or_else(unknown)),
            },
        };
        Error::Failed { stack: self.stack, status, resource, reason }
    }

    /// New events, oldest first; `None` if the stack no longer exists.
    async fn poll(&mut self, client: &Client) -> Result<Option<Vec<StackEvent>>, Error> {
        let mut fresh = Vec::new();
        let mut newest = None;
        let mut next = None;
        'pages: loop {
            let answer = client
                .describe_stack_events()
                .stack_name(&self.stack_id)
                .set_next_token(next.take())
                .send()
                .await;
            let page = match answer {
                Ok(page) => page,
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(call("read the events of", &self.stack)(error)),
            };
            for event in page.stack_events() {
                let id = event.event_id().map(str::to_owned);
                if id.is_some() && id == self.newest {
                    break 'pages;
                }
                newest = newest.or(id);
                fresh.push(typed(event));
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        self.newest = newest.or(self.newest.take());
        fresh.reverse();
        Ok(Some(fresh))
    }
}

fn typed(event: &aws_sdk_cloudformation::types::StackEvent) -> StackEvent {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    StackEvent {
        logical_id: text(event.logical_resource_id()),
        resource_type: text(event.resource_type()),
        physical_id: text(event.physical_resource_id()),
        status: text(event.resource_status().map(ResourceStatus::as_str)),
        reason: event
            .resource_status_reason()
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            logical_id: "Queue".to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            physical_id: String::new(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_cancelled_is_not_the_cause() {
        assert!(event("CREATE_FAILED", Some("the name is taken")).is_failure());
        assert!(event("DELETE_FAILED", None).is_failure());
        assert!(!event("CREATE_FAILED", Some("Resource creation cancelled")).is_failure());
        assert!(!event("CREATE_COMPLETE", None).is_failure());
    }

    #[test]
    fn reads_as_a_line() {
        let line = event("CREATE_FAILED", Some("the name is taken")).to_string();
        assert_eq!(line, "CREATE_FAILED                Queue (AWS::SQS::Queue): the name is taken");
    }
}
