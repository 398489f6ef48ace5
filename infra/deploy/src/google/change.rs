//! Changes of a deploy, and drift: two readings of one comparison.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::desired::{Desired, DesiredItem};
use super::observed::Clients;
use super::properties::differences;
use super::pubsub::in_place;
use super::{Endpoints, Error};
use crate::plan::{Action, Change, PropertyChange, Replacement};

/// The changes of an apply, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// `PREFIX-ENVIRONMENT`.
    pub deployment: String,
    /// The project's id.
    pub project: String,
    /// The changes of each resource.
    pub changes: Vec<Change>,
}

impl Plan {
    /// True if there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deployment, project, changes } = self;
        if changes.is_empty() {
            return writeln!(f, "deployment {deployment} in project {project}: no changes");
        }
        writeln!(f, "deployment {deployment} in project {project}:")?;
        changes.iter().try_for_each(|change| write!(f, "{change}"))
    }
}

/// The changes that an apply would make. Changes nothing.
pub async fn plan(desired: &Desired, endpoints: &Endpoints) -> Result<Plan, Error> {
    let clients = Clients::open(endpoints, &desired.settings).await?;
    let changes = changes(desired, &clients).await?;
    let settings = &desired.settings;
    Ok(Plan {
        deployment: infra::names::stack(settings),
        project: settings.gcp.project.clone(),
        changes,
    })
}

/// The changes made by other means since the last apply, provided that settings and binaries are the same:
/// `before` is the applied value, `after` the observed one.
pub async fn drift(desired: &Desired, endpoints: &Endpoints) -> Result<Vec<Change>, Error> {
    let clients = Clients::open(endpoints, &desired.settings).await?;
    let changes = changes(desired, &clients).await?;
    Ok(changes.into_iter().map(from_the_other_side).collect())
}

fn from_the_other_side(change: Change) -> Change {
    Change {
        action: match change.action {
            Action::Add => Action::Remove,
            Action::Remove => Action::Add,
            other => other,
        },
        replacement: Replacement::No,
        properties: change
            .properties
            .into_iter()
            .map(|PropertyChange { path, before, after }| PropertyChange {
                path,
                before: after,
                after: before,
            })
            .collect(),
        ..change
    }
}

pub(super) async fn changes(desired: &Desired, clients: &Clients) -> Result<Vec<Change>, Error> {
    let uris = clients.uris(desired).await?;
    let all = desired.all(&uris);
    let mut wanted_names = BTreeSet::new();
    let mut anew = BTreeSet::new();
    let mut changes = Vec::new();
    for wanted in &all {
        let address = wanted.address(&desired.settings);
        let change = match clients.read(wanted).await? {
            None => Some(Change { action: Action::Add, ..unchanged(wanted, &address) }),
            Some(there) => {
                let mut properties = differences(&there, &wanted.properties());
                if let DesiredItem::Subscription(subscription) = wanted
                    && anew.contains(&subscription.topic)
                    && properties.iter().all(|change| change.path != "topic")
                {
                    // The subscription would lose its topic.
                    properties.push(PropertyChange {
                        path: "topic".to_owned(),
                        before: there.get("topic").cloned(),
                        after: Some(format!("{} (made anew)", subscription.topic)),
                    });
                    properties.sort();
                }
                let replacement = replacement(wanted, &properties);
                let change = Change { replacement, properties, ..unchanged(wanted, &address) };
                (!change.properties.is_empty()).then_some(change)
            }
        };
        if change.as_ref().is_some_and(|change| change.replacement == Replacement::Yes) {
            anew.insert(address.clone());
        }
        changes.extend(change);
        wanted_names.insert((wanted.resource_type(), address));
    }
    // Unwanted resources of this deployment are deleted first: a renamed subscription must not exist twice.
    let labelled = clients.labelled(&desired.settings).await?;
    let unwanted = labelled
        .into_iter()
        .filter(|item| !wanted_names.contains(&(item.resource_type.as_str(), item.name.clone())));
    let removed = unwanted.map(|item| Change {
        action: Action::Remove,
        address: item.name,
        resource_type: item.resource_type,
        replacement: Replacement::No,
        properties: Vec::new(),
    });
    Ok(removed.chain(changes).collect())
}

fn unchanged(wanted: &DesiredItem, address: &str) -> Change {
    Change {
        action: Action::Modify,
        address: address.to_owned(),
        resource_type: wanted.resource_type().to_owned(),
        replacement: Replacement::No,
        properties: Vec::new(),
    }
}

fn replacement(wanted: &DesiredItem, properties: &[PropertyChange]) -> Replacement {
    let in_place = properties.is_empty()
        || match wanted {
            DesiredItem::Bucket(..) => properties.iter().all(|change| change.path != "location"),
            // Labels are its only properties.
            DesiredItem::Topic(_) => false,
            DesiredItem::Subscription(_) => in_place(properties),
            DesiredItem::Service(_) | DesiredItem::Job(..) => true,
        };
    if in_place { Replacement::No } else { Replacement::Yes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: Vec<Change>) -> Plan {
        let (deployment, project) =
            ("blockchain-core-local".to_owned(), "twincloud-local".to_owned());
        Plan { deployment, project, changes }
    }

    fn change() -> Change {
        Change {
            action: Action::Modify,
            address: "projects/twincloud-local/subscriptions/trades".to_owned(),
            resource_type: "google_pubsub_subscription".to_owned(),
            replacement: Replacement::Yes,
            properties: vec![PropertyChange {
                path: "ack_deadline_seconds".to_owned(),
                before: Some("10".to_owned()),
                after: Some("20".to_owned()),
            }],
        }
    }

    #[test]
    fn reads_like_a_diff() {
        let expected = "deployment blockchain-core-local in project twincloud-local:\n\
            \x20 ~ projects/twincloud-local/subscriptions/trades (google_pubsub_subscription, REPLACED)\n\
            \x20     ack_deadline_seconds: 10 -> 20\n";
        assert_eq!(plan(vec![change()]).to_string(), expected);
        let expected = "deployment blockchain-core-local in project twincloud-local: no changes\n";
        assert_eq!(plan(Vec::new()).to_string(), expected);
    }

    #[test]
    fn drift_is_the_plan_seen_from_the_other_side() {
        let seen = from_the_other_side(change());
        assert_eq!(seen.properties[0].to_string(), "ack_deadline_seconds: 20 -> 10");
        assert_eq!(seen.replacement, Replacement::No);
        let gone = from_the_other_side(Change { action: Action::Add, ..change() });
        assert_eq!(gone.action, Action::Remove);
    }
}
