//! The switches of AWS.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use args::Part;
use aws_sdk_lambda::Client as Lambda;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use deploy::aws::in_words;
use deploy::commands::DeployContext;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Outage;

/// The id of this program's statement in a policy.
const SID: &str = "TwincloudGameDay";
/// The longest change of a mapping's state; Lambda's documentation says a minute.
const SETTLE: Duration = Duration::from_mins(5);
const SETTLE_POLL: Duration = Duration::from_millis(500);

/// A switch, with the former state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "switch", rename_all = "kebab-case")]
pub enum Switch {
    /// The queue refuses messages: a deny in its policy.
    QueuePolicy {
        /// Its URL.
        url: String,
        /// Its ARN.
        arn: String,
        /// Its policy; `None`: it had none.
        before: Option<String>,
    },
    /// No messages are taken out of the queue: the mapping, which was enabled, is disabled.
    EventSourceMapping {
        /// Its id.
        id: String,
    },
    /// A function can't run: its reserved concurrency is 0.
    ReservedConcurrency {
        /// The function's name.
        function: String,
        /// The reserved concurrency; `None`: there was none.
        before: Option<i32>,
    },
}

/// The switches for an outage, with the current state.
pub(super) async fn plan(site: &DeployContext, outage: Outage) -> anyhow::Result<Vec<Switch>> {
    let outputs = site.outputs(Part::Aws).map_err(|failure| anyhow!("{failure}"))?;
    let output = |name: &str| {
        let value = outputs.get(name).cloned();
        value.with_context(|| format!("find {name} in what was kept of the deploy; `cargo xtask outputs aws` reads it again"))
    };
    let mut switches = Vec::new();
    if outage == Outage::Cloud {
        ensure!(
            site.local.as_ref().is_none_or(|local| local.enforces_policies),
            "these local clouds do not keep to policies, so the queue would go on taking messages; start them with `cargo \
             xtask down && cargo xtask up --enforce-policies`, and deploy again"
        );
        switches.push(queue_policy(site, output("QueueUrl")?, output("QueueArn")?).await?);
    }
    switches.push(mapping(site, output("MappingId")?).await?);
    let replicate = outputs.get("ReplicateFunctionName").cloned();
    for function in [Some(output("FunctionName")?), replicate].into_iter().flatten() {
        switches.push(concurrency(site, function).await?);
    }
    Ok(switches)
}

async fn queue_policy(site: &DeployContext, url: String, arn: String) -> anyhow::Result<Switch> {
    let before = read_policy(&sqs(site).await, &url).await?;
    ensure!(
        !before.as_deref().unwrap_or_default().contains(SID),
        "the policy of {url} has the statement {SID} already, and no record says what was there before: take it out by hand"
    );
    Ok(Switch::QueuePolicy { url, arn, before })
}

async fn mapping(site: &DeployContext, id: String) -> anyhow::Result<Switch> {
    let state = mapping_state(&lambda(site).await, &id).await?;
    ensure!(
        state == "Enabled",
        "the event source mapping {id} is {state}, so there is nothing to take away: `cargo xtask deploy aws` enables it"
    );
    Ok(Switch::EventSourceMapping { id })
}

async fn concurrency(site: &DeployContext, function: String) -> anyhow::Result<Switch> {
    let answer =
        lambda(site).await.get_function_concurrency().function_name(&function).send().await;
    let answer = answer
        .map_err(|error| anyhow!("read the concurrency of {function}: {}", in_words(&error)))?;
    let before = answer.reserved_concurrent_executions();
    ensure!(
        before != Some(0),
        "the function {function} is switched off already (its reserved concurrency is 0), so there is nothing to take away"
    );
    Ok(Switch::ReservedConcurrency { function, before })
}

impl Switch {
    /// The API call that applies it, in AWS's notation.
    #[must_use]
    pub fn call(&self) -> String {
        match self {
            Self::QueuePolicy { url, .. } => {
                format!("SQS SetQueueAttributes {url}: Policy denies everybody sqs:SendMessage")
            }
            Self::EventSourceMapping { id } => {
                format!("Lambda UpdateEventSourceMapping {id}: Enabled=false")
            }
            Self::ReservedConcurrency { function, .. } => {
                format!("Lambda PutFunctionConcurrency {function}: 0")
            }
        }
    }

    /// The API call that undoes it.
    #[must_use]
    pub fn undo_call(&self) -> String {
        match self {
            Self::QueuePolicy { url, before, .. } => {
                let policy = if before.is_some() { "as it was" } else { "none" };
                format!("SQS SetQueueAttributes {url}: Policy {policy}")
            }
            Self::EventSourceMapping { id } => {
                format!("Lambda UpdateEventSourceMapping {id}: Enabled=true")
            }
            Self::ReservedConcurrency { function, before: Some(before) } => {
                format!("Lambda PutFunctionConcurrency {function}: {before}")
            }
            Self::ReservedConcurrency { function, before: None } => {
                format!("Lambda DeleteFunctionConcurrency {function}")
            }
        }
    }

    pub(super) async fn throw(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::QueuePolicy { url, arn, before } => {
                let policy = denying(before.as_deref(), arn)?;
                write_policy(&sqs(site).await, url, &policy).await
            }
            Self::EventSourceMapping { id } => enable(&lambda(site).await, id, false).await,
            Self::ReservedConcurrency { function, .. } => {
                reserve(&lambda(site).await, function, Some(0)).await
            }
        }
    }

    pub(super) async fn undo(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::QueuePolicy { url, arn, before } => {
                let sqs = sqs(site).await;
                let now = read_policy(&sqs, url).await?;
                match allowing(now.as_deref(), before.as_deref(), arn)? {
                    Some(policy) => write_policy(&sqs, url, &policy).await,
                    None => Ok(()),
                }
            }
            Self::EventSourceMapping { id } => enable(&lambda(site).await, id, true).await,
            Self::ReservedConcurrency { function, before } => {
                reserve(&lambda(site).await, function, *before).await
            }
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueuePolicy { url, .. } => {
                write!(f, "queue {}", url.rsplit('/').next().unwrap_or(url))
            }
            Self::EventSourceMapping { id } => write!(f, "event source mapping {id}"),
            Self::ReservedConcurrency { function, .. } => write!(f, "function {function}"),
        }
    }
}

async fn sqs(site: &DeployContext) -> Sqs {
    Sqs::new(&site.aws_config().await)
}

async fn lambda(site: &DeployContext) -> Lambda {
    Lambda::new(&site.aws_config().await)
}

async fn read_policy(sqs: &Sqs, url: &str) -> anyhow::Result<Option<String>> {
    let asked = sqs.get_queue_attributes().queue_url(url);
    let answer = asked.attribute_names(QueueAttributeName::Policy).send().await;
    let answer =
        answer.map_err(|error| anyhow!("read the policy of {url}: {}", in_words(&error)))?;
    let policy = answer.attributes().and_then(|all| all.get(&QueueAttributeName::Policy));
    Ok(policy.filter(|policy| !policy.is_empty()).cloned())
}

/// Sets the policy; an empty one removes it.
async fn write_policy(sqs: &Sqs, url: &str, policy: &str) -> anyhow::Result<()> {
    let asked = sqs.set_queue_attributes().queue_url(url);
    let answer = asked.attributes(QueueAttributeName::Policy, policy).send().await;
    answer.map(drop).map_err(|error| anyhow!("set the policy of {url}: {}", in_words(&error)))
}

/// The policy with a statement that denies sending to all principals. Changing the policy stays allowed.
fn denying(before: Option<&str>, arn: &str) -> anyhow::Result<String> {
    let mut policy = match before {
        Some(before) => parsed(before)?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    statements(&mut policy)?.push(json!({
        "Sid": SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }));
    Ok(policy.to_string())
}

/// The policy without the denial, the empty text for none; `None`: the denial is gone already. Other changes
/// made meanwhile are kept.
fn allowing(now: Option<&str>, before: Option<&str>, arn: &str) -> anyhow::Result<Option<String>> {
    let Some(now) = now else { return Ok(None) };
    let mut policy = parsed(now)?;
    if policy == parsed(&denying(before, arn)?)? {
        return Ok(Some(before.unwrap_or_default().to_owned()));
    }
    let statements = statements(&mut policy)?;
    let all = statements.len();
    statements.retain(|statement| statement["Sid"] != SID);
    let (left, is_ours_gone) = (statements.len(), statements.len() == all);
    Ok(match (is_ours_gone, left) {
        (true, _) => None,
        (false, 0) => Some(String::new()),
        (false, _) => Some(policy.to_string()),
    })
}

fn parsed(policy: &str) -> anyhow::Result<Value> {
    serde_json::from_str(policy).context("read the queue's policy")
}

fn statements(policy: &mut Value) -> anyhow::Result<&mut Vec<Value>> {
    // A single statement need not be in a list.
    if policy["Statement"].is_object() {
        policy["Statement"] = json!([policy["Statement"].take()]);
    }
    policy["Statement"].as_array_mut().context("the queue's policy has no statements")
}

async fn mapping_state(lambda: &Lambda, id: &str) -> anyhow::Result<String> {
    let answer = lambda.get_event_source_mapping().uuid(id).send().await;
    let answer = answer
        .map_err(|error| anyhow!("read the event source mapping {id}: {}", in_words(&error)))?;
    Ok(answer.state().unwrap_or("in no state").to_owned())
}

/// Enables or disables a mapping, and waits until that is done.
async fn enable(lambda: &Lambda, id: &str, enabled: bool) -> anyhow::Result<()> {
    let wanted = if enabled { "Enabled" } else { "Disabled" };
    let deadline = Instant::now() + SETTLE;
    let mut asked = false;
    loop {
        let state = mapping_state(lambda, id).await?;
        // A mapping in transition accepts no change.
        let is_settled = matches!(state.as_str(), "Enabled" | "Disabled");
        if state == wanted {
            return Ok(());
        }
        if is_settled && !asked {
            let answer = lambda.update_event_source_mapping().uuid(id).enabled(enabled).send();
            answer.await.map_err(|error| {
                anyhow!("update the event source mapping {id}: {}", in_words(&error))
            })?;
            asked = true;
            continue;
        }
        if Instant::now() > deadline {
            bail!("the event source mapping {id} is {state} and not {wanted} after {SETTLE:?}");
        }
        sleep(SETTLE_POLL).await;
    }
}

async fn reserve(lambda: &Lambda, function: &str, count: Option<i32>) -> anyhow::Result<()> {
    let failed = |problem: String| anyhow!("set the concurrency of {function}: {problem}");
    if let Some(count) = count {
        let asked = lambda.put_function_concurrency().function_name(function);
        let answer = asked.reserved_concurrent_executions(count).send().await;
        answer.map(drop).map_err(|error| failed(in_words(&error)))
    } else {
        let answer = lambda.delete_function_concurrency().function_name(function).send().await;
        answer.map(drop).map_err(|error| failed(in_words(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";
    const OTHERS: &str =
        r#"{"Version":"2012-10-17","Statement":{"Sid":"Tls","Effect":"Deny","Principal":"*"}}"#;

    fn allowed(now: &str, before: Option<&str>) -> Option<String> {
        allowing(Some(now), before, ARN).expect("a policy")
    }

    #[test]
    fn what_is_denied_is_allowed_again_word_for_word() {
        for before in [None, Some(OTHERS)] {
            let denying = denying(before, ARN).expect("a policy");
            assert!(denying.contains(SID) && denying.contains(ARN), "{denying}");
            assert_eq!(allowed(&denying, before).as_deref(), Some(before.unwrap_or_default()));
        }
    }

    #[test]
    fn what_somebody_else_has_changed_meanwhile_stays() {
        let denying = denying(None, ARN).expect("a policy");
        let mut changed: Value = serde_json::from_str(&denying).expect("JSON");
        changed["Statement"].as_array_mut().expect("a list").push(json!({ "Sid": "Mine" }));
        let left = allowed(&changed.to_string(), None).expect("something to set");
        assert!(left.contains("Mine") && !left.contains(SID), "{left}");
    }

    #[test]
    fn what_is_allowed_already_is_left_alone() {
        assert_eq!(allowing(None, Some(OTHERS), ARN).expect("a policy"), None);
        assert_eq!(allowed(OTHERS, Some(OTHERS)), None);
    }
}
