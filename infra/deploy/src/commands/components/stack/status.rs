//! The state of AWS's stack.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_sdk_sqs::types::QueueAttributeName;
use cli::{Failure, Progress};

use crate::aws::in_words;
use crate::cloudformation as cfn;
use crate::commands::aws::{Aws, LIVE};
use crate::commands::cloud_status::{CloudStatus, NO_PEER, last_candles};
use crate::commands::site::DeployContext;
use crate::versions::Function;

pub(super) async fn status(site: &DeployContext, progress: Option<&Progress>) -> CloudStatus {
    let mut status = CloudStatus::default();
    if let Err(failure) = fill_aws(site, &mut status, progress).await {
        status.take::<()>(Err(failure));
    }
    status
}

async fn fill_aws(
    site: &DeployContext,
    status: &mut CloudStatus,
    progress: Option<&Progress>,
) -> Result<(), Failure> {
    let aws = Aws::open(site).await?;
    let deployed = match cfn::deployed(&aws.client, &aws.stack()).await {
        Ok(deployed) => deployed,
        Err(cfn::Error::NoStack { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    status.stack = Some(deployed.status.clone());
    let outputs = &deployed.outputs;
    status.functions = status.take(functions(&aws, outputs).await).unwrap_or_default();
    status.replicate = peer_of_stack(&deployed.parameters);
    status.problems.extend(aws.few_invocations().await);
    status.queue_depth = status.take(depth(&aws, outputs, "QueueUrl").await);
    status.dead_letters = status.take(depth(&aws, outputs, "DeadLetterQueueUrl").await);
    if progress.is_none() {
        return Ok(());
    }
    let ports = aws.ports(outputs)?;
    status.last_candles = status.take(last_candles(site, &ports.store).await).unwrap_or_default();
    status.drift = status.take(super::drift::drift(site).await).map(|found| found.changes.len());
    Ok(())
}

/// The archive of Google that the stack's replicate function copies from, according to the stack's
/// parameters.
fn peer_of_stack(parameters: &BTreeMap<String, String>) -> Option<String> {
    let get = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    if get("ReplicateEnabled") != "true" {
        return None;
    }
    let way_in = !get("PeerAudience").is_empty() || !get("PeerEndpoint").is_empty();
    Some(if way_in { format!("from gs://{}", get("PeerBucket")) } else { NO_PEER.to_owned() })
}

async fn functions(aws: &Aws<'_>, outputs: &cfn::Outputs) -> Result<Vec<String>, Failure> {
    let mut functions = Vec::new();
    let name = outputs.get("FunctionName")?;
    let live = Function::new(&aws.config, name).behind(LIVE).await?;
    let version =
        live.map_or_else(|| "no version".to_owned(), |live| format!("version {}", live.version));
    functions.push(format!("{name} {version}"));
    if let Some(name) = outputs.0.get("ReplicateFunctionName") {
        functions.push(name.clone());
    }
    Ok(functions)
}

async fn depth(aws: &Aws<'_>, outputs: &cfn::Outputs, queue: &str) -> Result<u64, Failure> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let url = outputs.get(queue)?;
    let answer = aws_sdk_sqs::Client::new(&aws.config)
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .map_err(|error| anyhow::anyhow!("read the depth of {url}: {}", in_words(&error)))?;
    let attributes = answer.attributes().context("read the depth of a queue: no attributes")?;
    Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_aws::stacks::Stacks;
    use crate::fake_aws::{Answer, FakeAws};

    #[test]
    fn a_function_without_a_way_in_has_no_peer() {
        let peer = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            peer_of_stack(&pairs.collect())
        };
        let told = [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerAudience", "")];
        assert_eq!(peer(&told).as_deref(), Some("no peer"));
        let told = [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerAudience", "//iam")];
        assert_eq!(peer(&told).as_deref(), Some("from gs://b"));
        let told =
            [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerEndpoint", "http://a")];
        assert_eq!(peer(&told).as_deref(), Some("from gs://b"));
        assert_eq!(peer(&[("ReplicateEnabled", "false")]), None);
    }

    #[tokio::test]
    async fn it_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stacks = Stacks::default();
        let outputs = ["FunctionName", "QueueUrl", "DeadLetterQueueUrl", "TableName"];
        stacks.add("blockchain-core-dev", "CREATE_COMPLETE").outputs =
            outputs.map(|name| (name.to_owned(), "it".to_owned())).to_vec();
        let stub = FakeAws::start(move |call| match call.action.as_str() {
            "DetectStackDrift" => {
                Answer::result(&call.action, "<StackDriftDetectionId>1</StackDriftDetectionId>")
            }
            "DescribeStackDriftDetectionStatus" => Answer::result(
                &call.action,
                "<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>",
            ),
            "DescribeStackResourceDrifts" => Answer::result(&call.action, "<StackResourceDrifts/>"),
            "GetQueueAttributes" => {
                Answer::ok(r#"{"Attributes":{"ApproximateNumberOfMessages":"7"}}"#)
            }
            "Query" => Answer::ok(r#"{"Items":[],"Count":0}"#),
            _ if call.service == "lambda" => Answer::ok(r#"{"FunctionVersion":"3"}"#),
            _ => stacks.answer(call),
        });
        let site = stub.site(folder.path(), "dev");
        let status = status(&site, Some(&Progress::default())).await;
        assert_eq!(status.problems, Vec::<String>::new());
        assert_eq!(status.functions, ["it version 3"]);
        let found = (status.queue_depth, status.dead_letters, status.drift);
        assert_eq!(found, (Some(7), Some(7), Some(0)));
        assert_eq!(stub.changes(), Vec::<String>::new());
    }
}
