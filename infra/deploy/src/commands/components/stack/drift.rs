//! A stack's drift beyond `CloudFormation`'s report: values that it is known to report wrongly are read from the service,
//! and important ones that it doesn't compare are compared here.

use std::collections::BTreeSet;

use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{LifecycleRule, ObjectOwnership};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::super::Drifted;
use crate::artifact;
use crate::aws::in_words;
use crate::cloudformation::{self as cfn, Resource};
use crate::commands::aws::Aws;
use crate::commands::site::DeployContext;
use crate::plan::{Action, Change, PropertyChange, Replacement};
use cli::Failure;

/// The drift of both stacks.
pub(super) async fn drift(site: &DeployContext) -> Result<Drifted, Failure> {
    let aws = Aws::open(site).await?;
    let mut found = Drifted::default();
    add(&aws, &aws.stack(), &mut found).await?;
    if cfn::status(&aws.client, &aws.bootstrap()).await?.is_some() {
        add(&aws, &aws.bootstrap(), &mut found).await?;
    }
    Ok(found)
}

/// Adds the drift of a stack.
async fn add(aws: &Aws<'_>, stack: &str, found: &mut Drifted) -> Result<(), Failure> {
    let compared = cfn::drift(&aws.client, stack, &aws.limits).await?;
    let deployed = cfn::deployed(&aws.client, stack).await?;
    let mut changes = Vec::new();
    for change in compared.changes {
        changes.extend(confirmed(aws, change, &compared.resources).await?);
    }
    let own = Own {
        aws,
        resources: &compared.resources,
        reserves: deployed
            .parameters
            .get("ReplicateReserveConcurrency")
            .is_some_and(|is| is == "true"),
    };
    let mut checked = BTreeSet::new();
    for resource in &compared.resources {
        if let Some(differences) = own.of(resource).await? {
            checked.insert(&resource.logical_id);
            for change in differences {
                let is_known = changes.iter().any(|other: &Change| is_covered(&change, other));
                if !is_known {
                    changes.push(change);
                }
            }
        }
    }
    let not_compared = compared
        .resources
        .iter()
        .filter(|resource| !resource.is_compared && !checked.contains(&resource.logical_id));
    let not_compared = not_compared.map(|Resource { logical_id, resource_type, .. }| {
        format!("{logical_id} ({resource_type})")
    });
    found.not_compared.extend(not_compared);
    found.changes.extend(changes);
    Ok(())
}

/// True if the same property of the same resource is listed, or the resource is deleted.
fn is_covered(change: &Change, other: &Change) -> bool {
    change.address == other.address
        && (other.action == Action::Remove
            || change
                .properties
                .iter()
                .all(|property| other.properties.iter().any(|listed| listed.path == property.path)))
}

// Reported differences of buckets that are not real ones.

async fn confirmed(
    aws: &Aws<'_>,
    mut change: Change,
    resources: &[Resource],
) -> Result<Option<Change>, Failure> {
    if change.resource_type != "AWS::S3::Bucket" || change.action == Action::Remove {
        return Ok(Some(change));
    }
    let resource = resources.iter().find(|resource| resource.logical_id == change.address);
    let Some(bucket) = resource.map(|resource| resource.physical_id.as_str()) else {
        return Ok(Some(change));
    };
    let mut properties = Vec::new();
    for property in std::mem::take(&mut change.properties) {
        if !is_as_expected(aws, bucket, &property).await? {
            properties.push(property);
        }
    }
    change.properties = properties;
    Ok((!change.properties.is_empty()).then_some(change))
}

async fn is_as_expected(
    aws: &Aws<'_>,
    bucket: &str,
    property: &PropertyChange,
) -> Result<bool, Failure> {
    let mut path = property.path.trim_start_matches('/').split('/');
    let (Some(top), Some(expected)) = (path.next(), &property.before) else { return Ok(false) };
    let Some(now) = now(aws, bucket, top).await? else { return Ok(false) };
    let path: Vec<&str> = path.collect();
    Ok(holds(&now, &path, expected))
}

/// A bucket's property as S3 has it, in the template's notation; `None` for those that are taken as reported.
async fn now(aws: &Aws<'_>, bucket: &str, top: &str) -> Result<Option<Value>, Failure> {
    let s3 = artifact::client(&aws.config);
    let failed = |problem: String| {
        Failure::Failed(anyhow::anyhow!("read {top} of bucket {bucket}: {problem}"))
    };
    let now = match top {
        "BucketEncryption" => {
            let answer = s3.get_bucket_encryption().bucket(bucket).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if is_unset(error.code()) => return Ok(None),
                Err(error) => return Err(failed(in_words(&error))),
            };
            let rules = answer
                .server_side_encryption_configuration()
                .map(aws_sdk_s3::types::ServerSideEncryptionConfiguration::rules);
            let default = rules
                .unwrap_or_default()
                .iter()
                .find_map(|rule| rule.apply_server_side_encryption_by_default());
            let algorithm = default.map(|default| default.sse_algorithm().as_str());
            json!({ "ServerSideEncryptionConfiguration": [
                { "ServerSideEncryptionByDefault": { "SSEAlgorithm": algorithm } }
            ] })
        }
        "OwnershipControls" => {
            let answer = s3.get_bucket_ownership_controls().bucket(bucket).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if is_unset(error.code()) => return Ok(None),
                Err(error) => return Err(failed(in_words(&error))),
            };
            let rules =
                answer.ownership_controls().map(aws_sdk_s3::types::OwnershipControls::rules);
            let ownership = rules
                .unwrap_or_default()
                .first()
                .map(aws_sdk_s3::types::OwnershipControlsRule::object_ownership);
            json!({ "Rules": [{ "ObjectOwnership": ownership.map(ObjectOwnership::as_str) }] })
        }
        "LifecycleConfiguration" => {
            let answer = s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if is_unset(error.code()) => return Ok(None),
                Err(error) => return Err(failed(in_words(&error))),
            };
            json!({ "Rules": answer.rules().iter().map(rule).collect::<Vec<_>>() })
        }
        _ => return Ok(None),
    };
    Ok(Some(now))
}

/// True for S3's codes of an unset configuration and of a missing bucket.
fn is_unset(code: Option<&str>) -> bool {
    let codes = [
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "OwnershipControlsNotDriftedError",
        "ServerSideEncryptionConfigurationNotDriftedError",
    ];
    code.is_some_and(|code| codes.contains(&code))
}

fn rule(rule: &LifecycleRule) -> Value {
    let mut value = json!({ "Id": rule.id(), "Status": rule.status().as_str() });
    if !rule.transitions().is_empty() {
        let transitions = rule.transitions().iter().map(|transition| {
            json!({
                "StorageClass": transition.storage_class().map(aws_sdk_s3::types::TransitionStorageClass::as_str),
                "TransitionInDays": transition.days(),
            })
        });
        value["Transitions"] = transitions.collect();
    }
    if let Some(expiration) = rule.noncurrent_version_expiration() {
        let mut days = json!({ "NoncurrentDays": expiration.noncurrent_days() });
        if let Some(kept) = expiration.newer_noncurrent_versions() {
            days["NewerNoncurrentVersions"] = kept.into();
        }
        value["NoncurrentVersionExpiration"] = days;
    }
    if let Some(abort) = rule.abort_incomplete_multipart_upload() {
        value["AbortIncompleteMultipartUpload"] =
            json!({ "DaysAfterInitiation": abort.days_after_initiation() });
    }
    value
}

/// True if a value has `expected` at a path; a number in it stands for any index of a list, as lists come in any order.
fn holds(value: &Value, path: &[&str], expected: &str) -> bool {
    match (path.split_first(), value) {
        (None, value) => cfn::is_same(expected, &value.to_string()),
        (Some((step, rest)), Value::Array(items)) if step.parse::<usize>().is_ok() => {
            items.iter().any(|item| holds(item, rest, expected))
        }
        (Some((step, rest)), value) => {
            value.get(step).is_some_and(|inner| holds(inner, rest, expected))
        }
    }
}

// Values that CloudFormation never compares.

struct Own<'a> {
    aws: &'a Aws<'a>,
    resources: &'a [Resource],
    /// True if the replicate function has an invocation set aside.
    reserves: bool,
}

impl Own<'_> {
    /// `None`: of a type that isn't compared here.
    async fn of(&self, resource: &Resource) -> Result<Option<Vec<Change>>, Failure> {
        let change = match resource.resource_type.as_str() {
            "AWS::Lambda::EventSourceMapping" => self.mapping(resource).await?,
            "AWS::Lambda::Function" => self.concurrency(resource).await?,
            "AWS::S3::BucketPolicy" => self.bucket_policy(resource).await?,
            "AWS::SQS::QueuePolicy" => self.queue_policy(resource).await?,
            _ => return Ok(None),
        };
        Ok(Some(change.into_iter().collect()))
    }

    async fn mapping(&self, resource: &Resource) -> Result<Option<Change>, Failure> {
        let lambda = aws_sdk_lambda::Client::new(&self.aws.config);
        let answer = lambda.get_event_source_mapping().uuid(&resource.physical_id).send().await;
        let state = match answer {
            Ok(answer) => answer.state().unwrap_or_default().to_owned(),
            Err(error) if error.code() == Some("ResourceNotDriftedException") => {
                return Ok(Some(removed(resource)));
            }
            Err(error) => return Err(unread(resource, &in_words(&error))),
        };
        let is_off = state.starts_with("Disabl");
        Ok(is_off.then(|| modified(resource, "/Enabled", "true", &format!("false ({state})"))))
    }

    async fn concurrency(&self, resource: &Resource) -> Result<Option<Change>, Failure> {
        let lambda = aws_sdk_lambda::Client::new(&self.aws.config);
        let asked = lambda.get_function_concurrency().function_name(&resource.physical_id);
        let reserved = match asked.send().await {
            Ok(answer) => answer.reserved_concurrent_executions(),
            // The function itself is compared by CloudFormation.
            Err(error) if error.code() == Some("ResourceNotDriftedException") => return Ok(None),
            Err(error) => return Err(unread(resource, &in_words(&error))),
        };
        let expected = (self.reserves && resource.logical_id == "ReplicateFunction").then_some(1);
        let text = |count: Option<i32>| count.map_or("none".to_owned(), |count| count.to_string());
        Ok((reserved != expected).then(|| {
            modified(resource, "/ReservedConcurrentExecutions", &text(expected), &text(reserved))
        }))
    }

    async fn bucket_policy(&self, resource: &Resource) -> Result<Option<Change>, Failure> {
        let Some(bucket) = self.holder(resource) else { return Ok(None) };
        let s3 = artifact::client(&self.aws.config);
        match s3.get_bucket_policy().bucket(bucket).send().await {
            Ok(answer) => Ok(without_tls(resource, answer.policy(), "s3:*")),
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(None),
            Err(error) if is_unset(error.code()) => Ok(Some(removed(resource))),
            Err(error) => Err(unread(resource, &in_words(&error))),
        }
    }

    async fn queue_policy(&self, resource: &Resource) -> Result<Option<Change>, Failure> {
        let Some(queue) = self.holder(resource) else { return Ok(None) };
        let sqs = aws_sdk_sqs::Client::new(&self.aws.config);
        let asked = sqs.get_queue_attributes().queue_url(queue);
        match asked.attribute_names(QueueAttributeName::Policy).send().await {
            Ok(answer) => {
                let policy =
                    answer.attributes().and_then(|all| all.get(&QueueAttributeName::Policy));
                Ok(without_tls(resource, policy.map(String::as_str), "sqs:*"))
            }
            Err(error)
                if error.code().is_some_and(|code| {
                    code.ends_with("QueueDoesNotExist") || code.ends_with("NonExistentQueue")
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(unread(resource, &in_words(&error))),
        }
    }

    /// The queue or the bucket of a policy, which has its name and `Policy`.
    fn holder(&self, policy: &Resource) -> Option<&str> {
        let name = policy.logical_id.strip_suffix("Policy")?;
        let holder = self.resources.iter().find(|resource| resource.logical_id == name)?;
        Some(&holder.physical_id)
    }
}

fn without_tls(resource: &Resource, policy: Option<&str>, actions: &str) -> Option<Change> {
    let Some(policy) = policy.filter(|policy| !policy.is_empty()) else {
        return Some(removed(resource));
    };
    if is_tls_only(policy, actions) {
        return None;
    }
    let expected = format!("Deny {actions} where aws:SecureTransport is false");
    Some(modified(resource, "/PolicyDocument", &expected, policy))
}

/// True if a statement denies all requests without TLS to all principals.
fn is_tls_only(policy: &str, actions: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let one = |value: &Value| match value {
        Value::Array(items) if items.len() == 1 => items[0].clone(),
        other => other.clone(),
    };
    statements.iter().any(|statement| {
        let principal = &statement["Principal"];
        let all = principal == "*" || one(&principal["AWS"]) == "*";
        let action = one(&statement["Action"]);
        let action = action.as_str().is_some_and(|action| action.eq_ignore_ascii_case(actions));
        let transport = one(&statement["Condition"]["Bool"]["aws:SecureTransport"]);
        let without = transport == "false" || transport == false;
        statement["Effect"] == "Deny" && all && action && without
    })
}

fn unread(resource: &Resource, problem: &str) -> Failure {
    Failure::Failed(anyhow::anyhow!("compare {resource}: {problem}"))
}

fn removed(resource: &Resource) -> Change {
    Change {
        action: Action::Remove,
        address: resource.logical_id.clone(),
        resource_type: resource.resource_type.clone(),
        replacement: Replacement::No,
        properties: Vec::new(),
    }
}

fn modified(resource: &Resource, path: &str, before: &str, after: &str) -> Change {
    let property = PropertyChange {
        path: path.to_owned(),
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
    };
    Change { action: Action::Modify, properties: vec![property], ..removed(resource) }
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
