//! A line of the report: a thing, its state, and what it is needed for.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The thing.
    pub name: String,
    /// Its state.
    #[serde(flatten)]
    pub status: Status,
    /// The tasks that need it.
    pub needed_for: Vec<Need>,
    /// The command that gets it, or the page to read.
    pub how_to_get: String,
}

impl Item {
    /// True if it is absent and won't be fetched.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.status, Status::Missing { .. })
    }
}

/// The state of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// It is there.
    Found {
        /// Where, if it is a file.
        path: Option<PathBuf>,
        /// Its version.
        version: String,
        /// The way by which it was found.
        source: Source,
    },
    /// It will be fetched when it is needed.
    WillFetch {
        /// From where, for people.
        what: String,
        /// About how much is downloaded.
        bytes: u64,
    },
    /// It is not there, and won't be fetched.
    Missing {
        /// Why.
        why: String,
    },
}

/// The way by which a thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// On `PATH`.
    Path,
    /// By this variable.
    Variable(&'static str),
    /// In an installed Google Cloud SDK.
    CloudSdk,
    /// In the project's cache.
    Cache,
    /// It is part of the machine.
    System,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => formatter.write_str("PATH"),
            Self::Variable(name) => formatter.write_str(name),
            Self::CloudSdk => formatter.write_str("Cloud SDK"),
            Self::Cache => formatter.write_str("cache"),
            Self::System => formatter.write_str("system"),
        }
    }
}

/// A thing that a person may want to do with the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Compile it.
    Build,
    /// Run its tests as CI does.
    Test,
    /// Run its checks as CI does.
    Check,
    /// Run the clouds as local processes.
    Processes,
    /// Run the clouds in containers.
    Containers,
    /// Deploy to the real clouds.
    Deploy,
}

impl Need {
    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Check => "check",
            Self::Processes => "processes",
            Self::Containers => "containers",
            Self::Deploy => "deploy",
        }
    }
}
