//! Drift of a stack: changes made since its deployment by other means.

use std::time::Instant;

use serde_json::Value;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    PropertyDifference, StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus,
};

use crate::plan::{Action, Change, PropertyChange, Replacement};

use super::Limits;
use super::error::{Error, call, is_absent};
use super::resources::{Resource, resources};

/// Result of comparing a stack with its real resources.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The differences as changes: `before` is the stack's value, `after` the real one.
    pub changes: Vec<Change>,
    /// All resources of the stack that are not deleted, each with a flag if it was compared.
    pub resources: Vec<Resource>,
}

/// Compares each resource with the stack's record.
pub async fn drift(client: &Client, stack: &str, limits: &Limits) -> Result<Compared, Error> {
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
        changes.extend(page.stack_resource_drifts().iter().filter_map(typed));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let mut resources = resources(client, stack).await?;
    resources.retain(Resource::is_there);
    Ok(Compared { changes, resources })
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
            // Some resources could not be compared; those that could are still listed.
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

/// The change; `None` if the values only look different.
fn typed(drift: &StackResourceDrift) -> Option<Change> {
    let deleted = drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted);
    let differences = drift.property_differences();
    let mut properties: Vec<PropertyChange> = differences.iter().map(property).collect();
    properties.retain(|property| match (&property.before, &property.after) {
        (Some(expected), Some(actual)) => !is_same(expected, actual),
        _ => true,
    });
    if properties.is_empty() && !differences.is_empty() && !deleted {
        return None;
    }
    properties.sort();
    Some(Change {
        action: if deleted { Action::Remove } else { Action::Modify },
        address: drift.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: drift.resource_type().unwrap_or_default().to_owned(),
        replacement: Replacement::No,
        properties,
    })
}

/// True if two values mean the same: a service may return numbers as texts or texts as numbers, lists in another order, and
/// documents as texts.
#[must_use]
pub fn is_same(expected: &str, actual: &str) -> bool {
    let value = |text: &str| Value::String(text.to_owned());
    canonical(&value(expected)) == canonical(&value(actual))
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) if inner.is_object() || inner.is_array() => canonical(&inner),
            // A quoted text.
            Ok(inner @ Value::String(_)) => canonical(&inner),
            _ => value.clone(),
        },
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(is) => Value::String(is.to_string()),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(canonical).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), canonical(value))).collect())
        }
        Value::Null => Value::Null,
    }
}

fn property(difference: &PropertyDifference) -> PropertyChange {
    PropertyChange {
        path: difference.property_path().unwrap_or_default().to_owned(),
        before: difference.expected_value().map(str::to_owned),
        after: difference.actual_value().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::fake_aws::{Answer, FakeAws};

    #[test]
    fn values_that_mean_the_same() {
        for (expected, actual) in [
            (r#"{"maxReceiveCount":"5"}"#, r#"{"maxReceiveCount":5}"#),
            ("5", "\"5\""),
            ("true", "true"),
            (r#"["a","b"]"#, r#"["b","a"]"#),
            (r#"{"A":[{"x":true},{"y":1}]}"#, r#"{"A":[{"y":"1"},{"x":"true"}]}"#),
            (r#"{"Policy":"{\"Version\":\"1\"}"}"#, r#"{"Policy":{"Version":"1"}}"#),
        ] {
            assert!(is_same(expected, actual), "{expected} {actual}");
        }
        for (expected, actual) in [
            ("5", "6"),
            (r#"{"maxReceiveCount":"5"}"#, r#"{"maxReceiveCount":50}"#),
            (r#"["a","b"]"#, r#"["a"]"#),
            (r#"["a","a"]"#, r#"["a"]"#),
            (r#"{"a":null}"#, "{}"),
        ] {
            assert!(!is_same(expected, actual), "{expected} {actual}");
        }
    }

    #[tokio::test]
    async fn answers_as_reported_by_users_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded/drift");
        let answer = fs::read_to_string(folder.join("reported.xml"));
        let answer = answer.expect("recorded");
        let stub = FakeAws::start(move |call| match call.action.as_str() {
            "DetectStackDrift" => {
                Answer::result(&call.action, "<StackDriftDetectionId>1</StackDriftDetectionId>")
            }
            "DescribeStackDriftDetectionStatus" => Answer::result(
                &call.action,
                "<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>",
            ),
            "DescribeStackResourceDrifts" => Answer::ok(answer.clone()),
            "ListStackResources" => Answer::result(&call.action, ""),
            other => Answer::error("InvalidAction", other),
        });
        let client = Client::new(&stub.config().await);
        let found = drift(&client, "stack", &Limits::default()).await.expect("compared");
        let changed: Vec<&str> =
            found.changes.iter().map(|change| change.address.as_str()).collect();
        // The queues only differ in the notation of their values.
        assert_eq!(changed, ["ArchiveBucket", "Table", "IngestErrorsAlarm"]);
        assert_eq!(found.changes[2].action, Action::Remove);
        assert_eq!(stub.changes(), Vec::<String>::new());
    }
}
