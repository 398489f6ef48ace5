//! The clouds by name.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A cloud. Its text, `aws` or `gcp`, is the same on the command line, in settings and in the files of a run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum CloudId {
    /// AWS.
    Aws,
    /// Google Cloud.
    Gcp,
}

impl CloudId {
    /// `aws` or `gcp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
        }
    }

    /// The other cloud.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Aws => Self::Gcp,
            Self::Gcp => Self::Aws,
        }
    }

    /// The cloud of a target of the producer, such as `aws-eu-west-1`.
    #[must_use]
    pub fn of_target(target: &str) -> Option<Self> {
        [Self::Aws, Self::Gcp].into_iter().find(|cloud| target.starts_with(cloud.as_str()))
    }
}

impl fmt::Display for CloudId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
