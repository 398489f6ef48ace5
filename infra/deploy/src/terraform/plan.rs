//! A plan as a value, parsed from the program's description of its plan file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Error, unreadable};
use super::stale_run::Process;
use super::{Purpose, Root};
use crate::plan::{Action, Change, PropertyChange, Replacement};

const UNKNOWN: &str = "(known after apply)";
const SENSITIVE: &str = "(sensitive)";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The changes of a root.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The root's name.
    pub root: String,
    /// True if everything that the root created would be deleted.
    pub destroys: bool,
    /// The changes of each resource.
    pub changes: Vec<Change>,
    /// Names of outputs that would change.
    pub outputs: Vec<String>,
    /// Changes made by other means since the last apply, from the former to the current value, if this plan reverts
    /// them.
    pub drift: Vec<Change>,
    /// The resources that would be deleted, with their current values.
    #[serde(skip)]
    pub removed: Vec<Removed>,
    /// The file to apply; `None` if nothing would change.
    #[serde(skip)]
    pub(crate) file: Option<Arc<PlanFile>>,
}

/// A resource that would be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The type, such as `google_storage_bucket`.
    pub resource_type: String,
    /// Its values before.
    pub before: Value,
}

impl Plan {
    /// True if there is nothing to apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_none()
    }

    fn count(&self, counted: impl Fn(&Change) -> bool) -> usize {
        self.changes.iter().filter(|change| counted(change)).count()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = &self.root;
        if self.is_empty() {
            return writeln!(f, "{root}: no changes");
        }
        let replaced = |change: &Change| change.replacement == Replacement::Yes;
        let add = self.count(|change| matches!(change.action, Action::Add | Action::Import));
        let change = self.count(|change| change.action == Action::Modify && !replaced(change));
        let replace = self.count(replaced);
        let remove = self.count(|change| change.action == Action::Remove);
        writeln!(
            f,
            "{root}: {add} to add, {change} to change, {replace} to replace, {remove} to remove"
        )?;
        self.changes.iter().try_for_each(|change| write!(f, "{change}"))?;
        if !self.outputs.is_empty() {
            writeln!(f, "  outputs that change: {}", self.outputs.join(", "))?;
        }
        if !self.drift.is_empty() && !self.destroys {
            writeln!(f, "  changed by others since the last deploy, and put back:")?;
            self.drift.iter().try_for_each(|change| write!(f, "{change}"))?;
        }
        Ok(())
    }
}

/// A plan's file. It contains secrets, so it is deleted with the plan.
#[derive(Debug)]
pub(crate) struct PlanFile(PathBuf);

impl PlanFile {
    /// A path for a new one. Deletes the files of processes that have ended.
    pub(super) fn new(root: &Root) -> Result<Self, Error> {
        let folder = root.runs();
        let failed = |cause| Error::Files { action: "look into", path: folder.clone(), cause };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if is_abandoned(&path) {
                fs::remove_file(&path).map_err(failed)?;
            }
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(folder.join(format!("plan-{}-{count}", std::process::id()))))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let pid = name.strip_prefix("plan-").and_then(|rest| rest.split('-').next()?.parse().ok());
    pid.is_some_and(|pid| !Process::of(pid).is_alive())
}

impl Drop for PlanFile {
    fn drop(&mut self) {
        // There is none if planning failed.
        let _ = fs::remove_file(&self.0);
    }
}

/// The relevant part of the output of `show -json`.
#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    resource_drift: Vec<ResourceChange>,
    #[serde(default)]
    output_changes: BTreeMap<String, ValueChange>,
    /// Absent with `OpenTofu`.
    applyable: Option<bool>,
}

#[derive(Deserialize)]
struct ResourceChange {
    address: String,
    previous_address: Option<String>,
    mode: String,
    r#type: String,
    change: ValueChange,
}

#[derive(Deserialize)]
struct ValueChange {
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    after_unknown: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
    importing: Option<Value>,
}

pub(super) fn read(
    root: &Root,
    purpose: Purpose,
    file: PlanFile,
    text: &str,
) -> Result<Plan, Error> {
    let shown: Shown = serde_json::from_str(text).map_err(unreadable("plan"))?;
    let changes: Vec<Change> = shown.resource_changes.iter().filter_map(change).collect();
    let outputs: Vec<String> = shown
        .output_changes
        .iter()
        .filter(|(_, output)| !is_nothing(output))
        .map(|(name, _)| name.clone())
        .collect();
    let moved = shown.resource_changes.iter().any(|change| change.previous_address.is_some());
    let something = !changes.is_empty() || !outputs.is_empty() || moved;
    let drift = shown.resource_drift.iter().filter_map(change);
    let drift = drift.filter_map(|drifted| put_back(drifted, &changes)).collect();
    let removed = shown
        .resource_changes
        .iter()
        .filter(|resource| resource.mode == "managed" && resource.change.actions == ["delete"]);
    let removed = removed.map(|resource| Removed {
        resource_type: resource.r#type.clone(),
        before: resource.change.before.clone(),
    });
    let removed = removed.collect();
    let file = shown.applyable.unwrap_or(something).then(|| Arc::new(file));
    let destroys = purpose == Purpose::Destroy;
    Ok(Plan { root: root.name.clone(), destroys, changes, outputs, drift, removed, file })
}

fn is_nothing(change: &ValueChange) -> bool {
    change.actions == ["no-op"]
}

/// The change of a resource; `None` if it is only read, or unchanged.
fn change(resource: &ResourceChange) -> Option<Change> {
    let values = &resource.change;
    if resource.mode != "managed" {
        return None;
    }
    let actions: Vec<&str> = values.actions.iter().map(String::as_str).collect();
    let (action, replacement) = match actions.as_slice() {
        ["no-op"] if values.importing.is_some() => (Action::Import, Replacement::No),
        ["no-op" | "read"] => return None,
        ["create"] => (Action::Add, Replacement::No),
        ["update"] => (Action::Modify, Replacement::No),
        ["delete" | "forget"] => (Action::Remove, Replacement::No),
        [_, _] => (Action::Modify, Replacement::Yes),
        _ => (Action::Dynamic, Replacement::Maybe),
    };
    let mut properties = Vec::new();
    if action == Action::Modify {
        differences(&Pair::of(values), String::new(), &mut properties);
    }
    Some(Change {
        action,
        address: resource.address.clone(),
        resource_type: resource.r#type.clone(),
        replacement,
        properties,
    })
}

/// The part of a drift that the plan reverts. The rest is computed by the provider, or filled in after the
/// creation.
fn put_back(mut drifted: Change, changes: &[Change]) -> Option<Change> {
    let change = changes.iter().find(|change| change.address == drifted.address)?;
    if change.action == Action::Modify {
        let first = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
        let touched: BTreeSet<String> =
            change.properties.iter().map(|property| first(&property.path)).collect();
        drifted.properties.retain(|property| touched.contains(&first(&property.path)));
        return (!drifted.properties.is_empty()).then_some(drifted);
    }
    // Deleted by other means, and created again.
    (change.action == Action::Add).then_some(drifted)
}

/// A value before and after, with its unknown and its sensitive parts.
#[derive(Clone)]
struct Pair<'v> {
    before: &'v Value,
    after: &'v Value,
    unknown: &'v Value,
    sensitive: [&'v Value; 2],
}

const NULL: &Value = &Value::Null;

impl<'v> Pair<'v> {
    fn of(change: &'v ValueChange) -> Self {
        Self {
            before: &change.before,
            after: &change.after,
            unknown: &change.after_unknown,
            sensitive: [&change.before_sensitive, &change.after_sensitive],
        }
    }

    fn each(&self, part: impl Fn(&'v Value) -> Option<&'v Value>) -> Self {
        let part = |value| part(value).unwrap_or(NULL);
        // All parts of a sensitive value are sensitive.
        let secret =
            |value: &'v Value| if value == &Value::Bool(true) { value } else { part(value) };
        Self {
            before: part(self.before),
            after: part(self.after),
            unknown: part(self.unknown),
            sensitive: self.sensitive.map(secret),
        }
    }

    fn differs(&self) -> bool {
        self.before != self.after || holds_true(self.unknown)
    }
}

/// Finds the differences, at the deepest path that names them.
fn differences(pair: &Pair<'_>, path: String, found: &mut Vec<PropertyChange>) {
    if !pair.differs() {
        return;
    }
    let is = |value: &Value| value == &Value::Bool(true);
    if pair.sensitive.into_iter().any(is) {
        let hidden = Some(SENSITIVE.to_owned());
        found.push(PropertyChange { path, before: hidden.clone(), after: hidden });
        return;
    }
    if is(pair.unknown) {
        let before = Some(rendered(pair.before, NULL, pair.sensitive[0]));
        found.push(PropertyChange { path, before, after: Some(UNKNOWN.to_owned()) });
        return;
    }
    match (pair.before, pair.after) {
        (Value::Object(before), Value::Object(after)) => {
            let none = Map::new();
            let unknown = pair.unknown.as_object().unwrap_or(&none);
            let keys: BTreeSet<&String> =
                before.keys().chain(after.keys()).chain(unknown.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differences(&pair.each(|value| value.get(key)), path, found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for index in 0..before.len() {
                let part = pair.each(|value| value.get(index));
                differences(&part, format!("{path}[{index}]"), found);
            }
        }
        (Value::String(before), Value::String(after)) => match (json(before), json(after)) {
            // A policy or a dashboard: a document as text.
            (Some(before), Some(after)) => {
                let pair = Pair { before: &before, after: &after, ..pair.clone() };
                differences(&pair, path, found);
            }
            _ => found.push(whole(pair, path)),
        },
        _ => found.push(whole(pair, path)),
    }
}

fn whole(pair: &Pair<'_>, path: String) -> PropertyChange {
    let [before, after] = pair.sensitive;
    PropertyChange {
        path,
        before: Some(rendered(pair.before, NULL, before)),
        after: Some(rendered(pair.after, pair.unknown, after)),
    }
}

fn json(text: &str) -> Option<Value> {
    let structured = text.starts_with(['{', '[']);
    structured.then(|| serde_json::from_str(text).ok()).flatten()
}

fn holds_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Array(values) => values.iter().any(holds_true),
        Value::Object(values) => values.values().any(holds_true),
        _ => false,
    }
}

fn rendered(value: &Value, unknown: &Value, sensitive: &Value) -> String {
    match masked(value, unknown, sensitive) {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

fn masked(value: &Value, unknown: &Value, sensitive: &Value) -> Value {
    if sensitive == &Value::Bool(true) {
        return SENSITIVE.into();
    }
    if unknown == &Value::Bool(true) {
        return UNKNOWN.into();
    }
    match value {
        Value::Array(values) => {
            let part = |(index, value)| {
                let unknown = unknown.get(index).unwrap_or(NULL);
                masked(value, unknown, sensitive.get(index).unwrap_or(NULL))
            };
            values.iter().enumerate().map(part).collect()
        }
        Value::Object(values) => {
            let part = |(key, value): (&String, _)| {
                let unknown = unknown.get(key).unwrap_or(NULL);
                (key.clone(), masked(value, unknown, sensitive.get(key).unwrap_or(NULL)))
            };
            Value::Object(values.iter().map(part).collect())
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests;
