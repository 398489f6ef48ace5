//! The changes of any engine in one form, to be shown like a diff, and serialised.

use std::fmt;

use serde::Serialize;

/// The change of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The action.
    pub action: Action,
    /// Its name in its description: a template's logical id, a Terraform address, or a full name.
    pub address: String,
    /// The type, such as `AWS::SQS::Queue` or `google_pubsub_topic`.
    pub resource_type: String,
    /// For a modification: if the resource is replaced.
    pub replacement: Replacement,
    /// For a modification: the changed properties, each once.
    pub properties: Vec<PropertyChange>,
}

/// The action on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The resource is created.
    Add,
    /// The resource is changed.
    Modify,
    /// The resource is deleted, or released.
    Remove,
    /// An existing resource is taken into the state.
    Import,
    /// Known only when it happens.
    Dynamic,
}

/// Replacement of a changed resource, which loses its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The resource is kept.
    No,
    /// The resource is replaced.
    Yes,
    /// Known only when it happens.
    Maybe,
}

/// A changed property of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PropertyChange {
    /// The property's path, such as `/Properties/MemorySize`, or another part such as `Tags`.
    pub path: String,
    /// The value before, if known.
    pub before: Option<String>,
    /// The value after, if known.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.action {
            Action::Add | Action::Import => '+',
            Action::Modify | Action::Dynamic => '~',
            Action::Remove => '-',
        };
        let replaced = match self.replacement {
            Replacement::No => "",
            Replacement::Yes => ", REPLACED",
            Replacement::Maybe => ", may be replaced",
        };
        writeln!(f, "  {mark} {} ({}{replaced})", self.address, self.resource_type)?;
        self.properties.iter().try_for_each(|property| writeln!(f, "      {property}"))
    }
}

impl fmt::Display for PropertyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (&self.before, &self.after) {
            (None, None) => Ok(()),
            (before, after) => {
                let shown =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
                write!(f, ": {} -> {}", shown(before), shown(after))
            }
        }
    }
}
