//! A change set as a value: its changes, to be shown, serialised and executed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Instant, SystemTime};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, ChangeSource, EvaluationType, Parameter,
    ResourceChange, ResourceChangeDetail, Tag,
};
use serde::Serialize;

use crate::plan::{Action, Change, PropertyChange, Replacement};

use super::error::{self, Error, call, is_gone};
use super::resources::{Resource, resources};
use super::{FIRST_POLL, Limits, StackRequest, discard, template, validation};

/// `CloudFormation`'s limit for a template in a request.
const TEMPLATE_BYTES: usize = 51_200;

/// The changes that a deploy would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The stack's name.
    pub stack: String,
    /// The stack's ARN.
    pub stack_id: String,
    /// True if the stack is a new one.
    pub creates: bool,
    /// True if an empty stack was created for the change set.
    #[serde(skip)]
    pub(super) made_stack: bool,
    /// The failed stack that must be deleted first; there is no change set yet then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clears: Option<Clears>,
    /// The change set's ARN; `None` if nothing would change.
    pub change_set: Option<String>,
    /// The changes of each resource.
    pub changes: Vec<Change>,
    /// Resources that refer to a changing one, and change only if its value does.
    pub dependents: Vec<Change>,
}

/// A stack that accepts no change set until it is deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Clears {
    /// Its status, such as `ROLLBACK_COMPLETE`.
    pub status: String,
    /// Its remaining resources, which are deleted with it; `None` if unknown.
    pub left: Option<Vec<Resource>>,
    #[serde(skip)]
    pub(super) request: Kept,
}

/// Equal if it is the same state of the same stack.
impl PartialEq for Clears {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.left == other.left
    }
}

impl Eq for Clears {}

impl Clears {
    /// True if it was deployed once and has resources that could not be deleted, such as a full bucket or a protected
    /// table. They are deleted only on explicit request.
    fn is_held(&self) -> bool {
        self.status == "DELETE_FAILED" && self.left.as_ref().is_none_or(|left| !left.is_empty())
    }
}

/// The wanted state of a stack, kept for replanning.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    template: String,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Kept {
    pub(super) fn borrowed<'a>(&'a self, name: &'a str) -> StackRequest<'a> {
        let Self { template, parameters, tags } = self;
        StackRequest { name, template, parameters, tags }
    }
}

impl Plan {
    /// An error if the stack must be deleted first, and has resources that only a destroy may delete.
    pub fn may_be_cleared(&self) -> Result<(), Error> {
        match &self.clears {
            Some(clears) if clears.is_held() => Err(Error::Leftovers {
                stack: self.stack.clone(),
                status: clears.status.clone(),
                left: clears.left.as_ref().map_or_else(
                    || "what can't be listed".to_owned(),
                    |left| left.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Clears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = &self.status;
        if self.is_held() {
            writeln!(
                f,
                "  the stack is in {status} and still holds what is listed here; `cargo xtask destroy aws` deletes it, deploy \
                 does not:"
            )?;
        } else {
            writeln!(f, "  the stack is in {status}; deploy will delete it first")?;
        }
        match &self.left {
            None => writeln!(f, "  - what is left of it can't be listed"),
            Some(left) => left.iter().try_for_each(|resource| writeln!(f, "  - {resource}")),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(clears) = &self.clears {
            write!(f, "stack {} (new):\n{clears}", self.stack)?;
            return self.changes.iter().try_for_each(|change| write!(f, "{change}"));
        }
        if self.change_set.is_none() {
            return writeln!(f, "stack {}: no changes", self.stack);
        }
        let new = if self.creates { " (new)" } else { "" };
        writeln!(f, "stack {}{new}:", self.stack)?;
        self.changes.iter().try_for_each(|change| write!(f, "{change}"))?;
        self.dependents.iter().try_for_each(|change| {
            let replaced = match change.replacement {
                Replacement::No => "",
                Replacement::Yes | Replacement::Maybe => ", may be replaced",
            };
            let Change { address, resource_type, .. } = change;
            writeln!(f, "  ? {address} ({resource_type}{replaced}): if what it refers to comes out as another")
        })
    }
}

/// The kind of a change set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// For a missing stack: an empty one is created with it.
    New,
    /// For an empty stack that another change set created.
    InReview,
    /// For a deployed stack.
    Update,
}

fn fits(request: &StackRequest<'_>) -> Result<(), Error> {
    let bytes = request.template.len();
    if bytes <= TEMPLATE_BYTES {
        return Ok(());
    }
    Err(Error::TemplateTooLarge { stack: request.name.to_owned(), bytes })
}

/// The plan for a stack that accepts no change set: delete it, then create the whole template.
pub(super) async fn instead(
    client: &Client,
    request: &StackRequest<'_>,
    stack_id: String,
    status: String,
) -> Result<Plan, Error> {
    fits(request)?;
    let mut clears = clears(client, &stack_id, status).await;
    clears.request = Kept {
        template: request.template.to_owned(),
        parameters: request.parameters.clone(),
        tags: request.tags.clone(),
    };
    Ok(Plan {
        stack: request.name.to_owned(),
        stack_id,
        creates: true,
        made_stack: false,
        clears: Some(clears),
        change_set: None,
        changes: template::additions(request.template, request.parameters),
        dependents: Vec::new(),
    })
}

/// A stack in `status` with its remaining resources.
pub(super) async fn clears(client: &Client, stack_id: &str, status: String) -> Clears {
    let mut left = resources(client, stack_id).await.ok();
    if let Some(left) = &mut left {
        left.retain(Resource::is_there);
    }
    Clears { status, left, request: Kept::default() }
}

/// Creates the change set and waits for its changes.
pub(super) async fn make(
    client: &Client,
    request: &StackRequest<'_>,
    kind: Kind,
    limits: &Limits,
) -> Result<Plan, Error> {
    fits(request)?;
    let stack = request.name.to_owned();
    let creates = kind != Kind::Update;
    let answer = client
        .create_change_set()
        .stack_name(request.name)
        .change_set_name(unique_name())
        .change_set_type(if creates { ChangeSetType::Create } else { ChangeSetType::Update })
        .template_body(request.template)
        .set_parameters(Some(parameters(request)))
        .set_tags(Some(tags(request)))
        // The role that Google Cloud knows by name has a fixed name.
        .capabilities(Capability::CapabilityNamedIam)
        .send()
        .await
        .map_err(|error| error::not_planned(request.name, &error))?;
    let change_set = answer.id().unwrap_or_default().to_owned();
    let mut plan = Plan {
        stack_id: answer.stack_id().unwrap_or(request.name).to_owned(),
        stack,
        creates,
        made_stack: kind == Kind::New,
        clears: None,
        change_set: Some(change_set.clone()),
        changes: Vec::new(),
        dependents: Vec::new(),
    };
    let ready = wait(client, &plan.stack, &change_set, limits).await?;
    if ready.status() == Some(&ChangeSetStatus::Failed) {
        let finding = validation::of_change_set(client, &change_set).await;
        // A failed change set can't be executed, so it is deleted.
        discard(client, &plan, limits).await?;
        let reason = ready.status_reason().unwrap_or("no reason was given").to_owned();
        if is_empty(&reason) {
            // Another deploy has created the stack meanwhile.
            if creates {
                return Err(Error::Overtaken { stack: plan.stack });
            }
            plan.change_set = None;
            return Ok(plan);
        }
        let reason = match finding {
            Some(finding) => format!("{}: {}", finding.resource, finding.reason),
            None => reason,
        };
        return Err(Error::Rejected { stack: plan.stack, reason });
    }
    (plan.changes, plan.dependents) = changes(client, &plan.stack, ready).await?;
    Ok(plan)
}

async fn wait(
    client: &Client,
    stack: &str,
    change_set: &str,
    limits: &Limits,
) -> Result<DescribeChangeSetOutput, Error> {
    let started = Instant::now();
    let mut pause = FIRST_POLL;
    loop {
        let answer = describe(client, stack, change_set, None).await?;
        match answer.status() {
            Some(ChangeSetStatus::CreateComplete | ChangeSetStatus::Failed) => return Ok(answer),
            status if started.elapsed() >= limits.change_set => {
                let status = status.map_or("unknown", ChangeSetStatus::as_str);
                return Err(Error::TimedOut {
                    stack: stack.to_owned(),
                    status: format!("planning (the change set is {status})"),
                    seconds: limits.change_set.as_secs(),
                });
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(limits.poll);
    }
}

async fn describe(
    client: &Client,
    stack: &str,
    change_set: &str,
    next: Option<String>,
) -> Result<DescribeChangeSetOutput, Error> {
    client
        .describe_change_set()
        .change_set_name(change_set)
        .include_property_values(true)
        .set_next_token(next)
        .send()
        .await
        .map_err(|error| {
            if is_gone(&error) {
                return Error::Overtaken { stack: stack.to_owned() };
            }
            call("describe the change set of", stack)(error)
        })
}

async fn changes(
    client: &Client,
    stack: &str,
    first: DescribeChangeSetOutput,
) -> Result<(Vec<Change>, Vec<Change>), Error> {
    let change_set = first.change_set_id().unwrap_or_default().to_owned();
    let mut page = first;
    let (mut changes, mut dependents) = (Vec::new(), Vec::new());
    loop {
        for change in page.changes().iter().filter_map(|change| change.resource_change()) {
            if is_dependent(change) { &mut dependents } else { &mut changes }.push(typed(change));
        }
        match page.next_token() {
            Some(next) => {
                page = describe(client, stack, &change_set, Some(next.to_owned())).await?;
            }
            None => return Ok((changes, dependents)),
        }
    }
}

/// True if a change set failed because it has no changes; only its reason says so.
fn is_empty(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

/// True if a resource changes only because another one's name or attribute does.
fn is_dependent(change: &ResourceChange) -> bool {
    let details = change.details();
    let follows = |detail: &ResourceChangeDetail| {
        let by_other = matches!(
            detail.change_source(),
            Some(ChangeSource::ResourceReference | ChangeSource::ResourceAttribute)
        );
        by_other && detail.evaluation() == Some(&EvaluationType::Dynamic)
    };
    !details.is_empty() && details.iter().all(follows)
}

fn typed(change: &ResourceChange) -> Change {
    use aws_sdk_cloudformation::types::{ChangeAction, Replacement as Replaced};
    let mut properties: Vec<PropertyChange> =
        change.details().iter().filter_map(property).collect();
    properties.sort();
    properties.dedup();
    Change {
        action: match change.action() {
            Some(ChangeAction::Add) => Action::Add,
            Some(ChangeAction::Modify) => Action::Modify,
            Some(ChangeAction::Remove) => Action::Remove,
            Some(ChangeAction::Import) => Action::Import,
            _ => Action::Dynamic,
        },
        address: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
        replacement: match change.replacement() {
            Some(Replaced::True) => Replacement::Yes,
            Some(Replaced::Conditional) => Replacement::Maybe,
            _ => Replacement::No,
        },
        properties,
    }
}

fn property(detail: &ResourceChangeDetail) -> Option<PropertyChange> {
    let target = detail.target()?;
    let part = target.attribute().map_or("", |attribute| attribute.as_str());
    let path = match (target.path(), target.name()) {
        (Some(path), _) if !path.is_empty() => path.to_owned(),
        (_, Some(name)) if !name.is_empty() => format!("/{part}/{name}"),
        _ => part.to_owned(),
    };
    Some(PropertyChange {
        path,
        before: target.before_value().map(str::to_owned),
        after: target.after_value().map(str::to_owned),
    })
}

fn parameters(request: &StackRequest<'_>) -> Vec<Parameter> {
    let parameter = |(key, value): (&String, &String)| {
        Parameter::builder().parameter_key(key).parameter_value(value).build()
    };
    request.parameters.iter().map(parameter).collect()
}

fn tags(request: &StackRequest<'_>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    request.tags.iter().map(tag).collect()
}

/// Change sets of one stack need different names.
fn unique_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("twincloud-{}-{}", now.as_micros(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: Vec<Change>) -> Plan {
        Plan {
            stack: "blockchain-core-dev".to_owned(),
            stack_id: "arn".to_owned(),
            creates: false,
            made_stack: false,
            clears: None,
            change_set: (!changes.is_empty()).then(|| "arn".to_owned()),
            changes,
            dependents: Vec::new(),
        }
    }

    #[test]
    fn reads_like_a_diff() {
        let change = Change {
            action: Action::Modify,
            address: "IngestFunction".to_owned(),
            resource_type: "AWS::Lambda::Function".to_owned(),
            replacement: Replacement::No,
            properties: vec![PropertyChange {
                path: "/Properties/MemorySize".to_owned(),
                before: Some("256".to_owned()),
                after: Some("512".to_owned()),
            }],
        };
        let expected = "stack blockchain-core-dev:\n\
                        \x20 ~ IngestFunction (AWS::Lambda::Function)\n\
                        \x20     /Properties/MemorySize: 256 -> 512\n";
        assert_eq!(plan(vec![change]).to_string(), expected);
    }

    #[test]
    fn nothing_to_do_says_so() {
        assert_eq!(plan(Vec::new()).to_string(), "stack blockchain-core-dev: no changes\n");
    }

    #[test]
    fn only_its_reason_tells_an_empty_change_set_from_a_failed_one() {
        assert!(is_empty(
            "The submitted information didn't contain changes. Submit different information to create a change set."
        ));
        assert!(is_empty("No updates are to be performed."));
        assert!(!is_empty("Template error"));
    }
}
