//! A line of the report: a tool, its state, and the tasks that need it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its name.
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

/// The state of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Found on this machine.
    Found {
        /// Its path, if it is a file.
        path: Option<PathBuf>,
        /// Its version.
        version: String,
        /// The way by which it was found.
        source: Source,
    },
    /// Fetched when needed.
    WillFetch {
        /// The source of the download, for display.
        what: String,
        /// The approximate size of the download.
        bytes: u64,
    },
    /// Missing, and not fetched automatically.
    Missing {
        /// The reason.
        why: String,
    },
}

/// The way by which a tool was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// On `PATH`.
    Path,
    /// Named by this variable.
    Variable(&'static str),
    /// In an installed Google Cloud SDK.
    CloudSdk,
    /// In the project's cache.
    Cache,
    /// Part of the machine.
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

/// A task of a developer or operator.
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
