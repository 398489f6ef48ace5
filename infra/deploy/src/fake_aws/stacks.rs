//! The part of `CloudFormation` that the engine needs: stacks, their change sets and their events.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Answer, Call};

pub(crate) const ACCOUNT: &str = "000000000000";
/// The status of a stack that was not deployed yet.
const REVIEW: &str = "REVIEW_IN_PROGRESS";

/// All stacks of an account.
#[derive(Default)]
pub(crate) struct Stacks {
    pub(crate) by_name: BTreeMap<String, Stack>,
    pub(crate) sets: BTreeMap<String, Set>,
    /// If set, a new change set of a stack deletes the earlier ones, so that two concurrent plans invalidate each
    /// other.
    pub(crate) one_set_a_stack: bool,
    /// Polls of a change set before it is complete.
    pub(crate) looks: u32,
    pub(crate) numbers: u32,
}

pub(crate) struct Stack {
    id: String,
    pub(crate) status: String,
    /// Logical name, type, physical name, status.
    pub(crate) resources: Vec<[String; 4]>,
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) is_protected: bool,
    events: Vec<(u32, String)>,
}

pub(crate) struct Set {
    stack: String,
    looks: u32,
}

impl Stacks {
    pub(crate) fn with(names: &[&str], status: &str) -> Self {
        let mut all = Self::default();
        for name in names {
            all.add(name, status);
        }
        all
    }

    pub(crate) fn add(&mut self, name: &str, status: &str) -> &mut Stack {
        self.numbers += 1;
        let id =
            format!("arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/{name}/{}", self.numbers);
        let stack = Stack {
            id,
            status: status.to_owned(),
            resources: Vec::new(),
            outputs: Vec::new(),
            is_protected: false,
            events: Vec::new(),
        };
        self.by_name.insert(name.to_owned(), stack);
        self.by_name.get_mut(name).expect("it was just added")
    }

    /// The answer to a call of `CloudFormation` or STS.
    pub(crate) fn answer(&mut self, call: &Call) -> Answer {
        let action = call.action.as_str();
        let field = |name| call.field(name).unwrap_or_default();
        let given = field("StackName");
        let name = given.split('/').nth(1).unwrap_or(&given).to_owned();
        let of = |content: &str| Answer::result(action, content);
        match action {
            "GetCallerIdentity" => of(&format!(
                "<Account>{ACCOUNT}</Account><Arn>arn:aws:iam::{ACCOUNT}:user/someone</Arn>"
            )),
            "CreateChangeSet" => {
                let set = field("ChangeSetName");
                let creates = field("ChangeSetType") == "CREATE";
                let is_there = self.by_name.get(&name).is_some_and(|stack| stack.status != REVIEW);
                if creates && is_there {
                    return Answer::error(
                        "ValidationError",
                        &format!(
                            "Stack [{name}] already exists and cannot be created with the changeSet [{set}]."
                        ),
                    );
                }
                self.create(&name, &set, action)
            }
            "DescribeChangeSet" => self.look(&field("ChangeSetName"), action),
            "ListChangeSets" => {
                // By name only, like the emulator.
                let all = self.sets.iter().filter(|(_, set)| set.stack == given);
                let all =
                    all.map(|(id, _)| format!("<member><ChangeSetId>{id}</ChangeSetId></member>"));
                of(&format!("<Summaries>{}</Summaries>", all.collect::<String>()))
            }
            "DeleteChangeSet" => {
                self.sets.remove(&field("ChangeSetName"));
                of("")
            }
            "ExecuteChangeSet" => self.execute(&name, &field("ChangeSetName"), action),
            "DeleteStack" => {
                self.by_name.remove(&name);
                self.sets.retain(|_, set| set.stack != name);
                of("")
            }
            _ => match self.by_name.get_mut(&name) {
                Some(stack) => stack.answer(&name, call),
                None => absent(&name),
            },
        }
    }

    fn create(&mut self, name: &str, set: &str, action: &str) -> Answer {
        if !self.by_name.contains_key(name) {
            self.add(name, REVIEW);
        }
        if self.one_set_a_stack {
            self.sets.retain(|_, set| set.stack != name);
        }
        let id = format!("arn:aws:cloudformation:us-east-1:{ACCOUNT}:changeSet/{set}/1");
        self.sets.insert(id.clone(), Set { stack: name.to_owned(), looks: self.looks });
        let stack = &self.by_name[name].id;
        Answer::result(action, format!("<Id>{id}</Id><StackId>{stack}</StackId>"))
    }

    fn look(&mut self, id: &str, action: &str) -> Answer {
        let Some(set) = self.sets.get_mut(id) else { return gone(id) };
        let is_made = set.looks == 0;
        set.looks = set.looks.saturating_sub(1);
        let deployed =
            self.by_name.get(&set.stack).is_some_and(|stack| stack.status.ends_with("_COMPLETE"));
        let (status, reason) = match (is_made, deployed) {
            (false, _) => ("CREATE_IN_PROGRESS", ""),
            (true, false) => ("CREATE_COMPLETE", ""),
            (true, true) => ("FAILED", "The submitted information didn't contain changes."),
        };
        Answer::result(
            action,
            format!(
                "<ChangeSetId>{id}</ChangeSetId><Status>{status}</Status><StatusReason>{reason}</StatusReason><Changes/>"
            ),
        )
    }

    fn execute(&mut self, name: &str, set: &str, action: &str) -> Answer {
        if self.sets.remove(set).is_none() {
            return gone(set);
        }
        self.sets.retain(|_, set| set.stack != name);
        self.numbers += 1;
        let number = self.numbers;
        let Some(stack) = self.by_name.get_mut(name) else { return absent(name) };
        let status = match stack.status.as_str() {
            REVIEW => "CREATE_COMPLETE",
            _ => "UPDATE_COMPLETE",
        };
        status.clone_into(&mut stack.status);
        stack.events.insert(0, (number, status.to_owned()));
        Answer::result(action, "")
    }
}

impl Stack {
    fn answer(&mut self, name: &str, call: &Call) -> Answer {
        let Self { id, status, .. } = &*self;
        let content = match call.action.as_str() {
            "DescribeStacks" => {
                let pair = |(key, value): &(String, String)| {
                    format!(
                        "<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
                    )
                };
                let outputs: String = self.outputs.iter().map(pair).collect();
                format!(
                    "<Stacks><member><StackName>{name}</StackName><StackId>{id}</StackId><StackStatus>{status}</StackStatus>\
                     <CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>{outputs}</Outputs>\
                     <EnableTerminationProtection>{}</EnableTerminationProtection></member></Stacks>",
                    self.is_protected
                )
            }
            "ListStackResources" => {
                let mut members = String::new();
                for [logical, kind, physical, status] in &self.resources {
                    let _ = write!(
                        members,
                        "<member><LogicalResourceId>{logical}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                         <PhysicalResourceId>{physical}</PhysicalResourceId><ResourceStatus>{status}</ResourceStatus>\
                         <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>"
                    );
                }
                format!("<StackResourceSummaries>{members}</StackResourceSummaries>")
            }
            "DescribeStackEvents" => {
                let event = |(number, status): &(u32, String)| {
                    format!(
                        "<member><EventId>{number}</EventId><StackId>{id}</StackId><StackName>{name}</StackName>\
                         <Timestamp>2026-01-01T00:00:00Z</Timestamp><LogicalResourceId>{name}</LogicalResourceId>\
                         <PhysicalResourceId>{id}</PhysicalResourceId><ResourceType>AWS::CloudFormation::Stack</ResourceType>\
                         <ResourceStatus>{status}</ResourceStatus></member>"
                    )
                };
                format!(
                    "<StackEvents>{}</StackEvents>",
                    self.events.iter().map(event).collect::<String>()
                )
            }
            "UpdateTerminationProtection" => {
                self.is_protected =
                    call.field("EnableTerminationProtection").as_deref() == Some("true");
                format!("<StackId>{}</StackId>", self.id)
            }
            other => return Answer::error("InvalidAction", other),
        };
        Answer::result(&call.action, content)
    }
}

fn absent(name: &str) -> Answer {
    Answer::error("ValidationError", &format!("Stack with id {name} does not exist"))
}

fn gone(set: &str) -> Answer {
    Answer::error("ChangeSetNotFound", &format!("ChangeSet [{set}] does not exist"))
}
