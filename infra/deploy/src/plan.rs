//! What every engine would change, in one shape: to show like a diff, and to serialise.

use std::fmt;

use serde::Serialize;

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// Its name where it is described: a logical id of a template, an address of Terraform, a full name.
    pub address: String,
    /// Such as `AWS::SQS::Queue` or `google_pubsub_topic`.
    pub resource_type: String,
    /// For a change: whether another resource takes its place.
    pub replacement: Replacement,
    /// For a change: what of it changes, each once.
    pub properties: Vec<PropertyChange>,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Modify,
    /// It is deleted, or let go.
    Remove,
    /// It is there already, and is taken in.
    Import,
    /// Not known before it happens.
    Dynamic,
}

/// Whether a changed resource is replaced, and what it holds is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// It stays.
    No,
    /// It is replaced.
    Yes,
    /// Not known before it happens.
    Maybe,
}

/// What changes of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PropertyChange {
    /// The property's path, such as `/Properties/MemorySize`, or another part such as `Tags`.
    pub path: String,
    /// The value before, where it is known.
    pub before: Option<String>,
    /// The value after, where it is known.
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
