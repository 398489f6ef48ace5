//! Existing resources, found by their tags; none after a destroy.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use serde::Serialize;

use crate::aws::in_words;
use crate::bucket;

/// The tag with the component that a resource belongs to.
pub const COMPONENT: &str = "component";

/// A deployed resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// Its type, as far as its name shows it: `sqs`, `lambda:function`, `google_pubsub_topic`.
    pub resource_type: String,
    /// Its ARN or full name.
    pub name: String,
    /// The tag `component`, if it has one.
    pub component: Option<String>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource_type, self.name)
    }
}

impl Item {
    /// True if this is the resource that a stack knows by `physical_id`: an ARN, or the end of its ARN. Types in
    /// [`ASKED`] are excluded, since their own service has answered if they exist.
    #[must_use]
    pub fn is_of(&self, physical_id: &str) -> bool {
        let is_asked = ASKED.contains(&self.resource_type.as_str());
        let resource = self.name.splitn(6, ':').nth(5).unwrap_or_default();
        let name = resource.split_once([':', '/']).map_or(resource, |(_, name)| name);
        !is_asked && (self.name == physical_id || name.trim_end_matches(":*") == physical_id)
    }
}

/// The types whose existence [`is_there`] checks at their own service.
const ASKED: [&str; 6] = [
    "dynamodb:table",
    "events:rule",
    "lambda:event-source-mapping",
    "lambda:function",
    "s3",
    "sqs",
];

/// The tags could not be read.
#[derive(Debug, thiserror::Error)]
#[error("look for what carries the tags {tags}: {problem}")]
pub struct Error {
    tags: String,
    problem: String,
}

/// All resources on AWS with all of `tags`, sorted. AWS's tag index is some seconds behind, and may list deleted
/// resources for a while.
pub async fn aws(config: &SdkConfig, tags: &BTreeMap<String, String>) -> Result<Vec<Item>, Error> {
    let client = Client::new(config);
    let filters: Vec<TagFilter> = tags
        .iter()
        .map(|(key, value)| TagFilter::builder().key(key).values(value).build())
        .collect();
    let mut items = Vec::new();
    let mut next = None;
    loop {
        let page = client
            .get_resources()
            .set_tag_filters(Some(filters.clone()))
            .set_pagination_token(next.take())
            .send()
            .await
            .map_err(|error| Error { tags: in_brief(tags), problem: in_words(&error) })?;
        items.extend(page.resource_tag_mapping_list().iter().map(|mapping| {
            let arn = mapping.resource_arn().unwrap_or_default();
            let component = mapping.tags().iter().find(|tag| tag.key() == COMPONENT);
            Item {
                resource_type: type_of(arn),
                name: arn.to_owned(),
                component: component.map(|tag| tag.value().to_owned()),
            }
        }));
        next = page.pagination_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let mut there = Vec::new();
    for item in items {
        if is_there(config, &item).await {
            there.push(item);
        }
    }
    there.sort();
    Ok(there)
}

/// True if a resource exists according to its own service: the index lists the tags of deleted ones for minutes and
/// hours. A type without a lookup counts as existing.
async fn is_there(config: &SdkConfig, item: &Item) -> bool {
    let Some(name) = item.name.splitn(6, ':').nth(5) else { return true };
    let gone = match item.resource_type.as_str() {
        "dynamodb:table" => {
            let client = aws_sdk_dynamodb::Client::new(config);
            let table = name.trim_start_matches("table/");
            let answer = client.describe_table().table_name(table).send().await;
            answer.is_err_and(|error| is_unknown(error.code()))
        }
        "sqs" => {
            let client = aws_sdk_sqs::Client::new(config);
            let answer = client.get_queue_url().queue_name(name).send().await;
            answer.is_err_and(|error| is_unknown(error.code()))
        }
        "s3" => matches!(bucket::count(config, name, 1).await, Ok(None)),
        "lambda:function" => {
            let client = aws_sdk_lambda::Client::new(config);
            let answer = client.get_function_configuration().function_name(&item.name).send().await;
            answer.is_err_and(|error| is_unknown(error.code()))
        }
        "lambda:event-source-mapping" => {
            let client = aws_sdk_lambda::Client::new(config);
            let id = name.trim_start_matches("event-source-mapping:");
            let answer = client.get_event_source_mapping().uuid(id).send().await;
            answer.is_err_and(|error| is_unknown(error.code()))
        }
        "events:rule" => {
            let client = aws_sdk_eventbridge::Client::new(config);
            let answer = client.describe_rule().name(name.trim_start_matches("rule/")).send().await;
            answer.is_err_and(|error| is_unknown(error.code()))
        }
        _ => false,
    };
    !gone
}

/// True for a service's code of a missing resource.
fn is_unknown(code: Option<&str>) -> bool {
    let codes = [
        "ResourceNotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    ];
    code.is_some_and(|code| codes.contains(&code))
}

fn in_brief(tags: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

/// `arn:aws:lambda:R:A:function:N` is a `lambda:function`, `arn:aws:sqs:R:A:N` is of `sqs`.
fn type_of(arn: &str) -> String {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or(arn);
    let resource = parts.nth(2).unwrap_or_default();
    match resource.split_once([':', '/']) {
        Some((kind, _)) => format!("{service}:{kind}"),
        None => service.to_owned(),
    }
}

#[cfg(test)]
mod tests;
