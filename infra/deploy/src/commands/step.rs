//! The changes that one engine would make.

use std::fmt;

use serde::Serialize;

use crate::cloudformation;
use crate::plan::Change;

/// The changes that one engine would make.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
pub(super) enum Step {
    /// A stack.
    CloudFormation(cloudformation::Plan),
    /// A Terraform root.
    Terraform(crate::terraform::Plan),
    /// Google's services on emulators.
    Google(crate::google::Plan),
}

impl Step {
    pub(super) fn changes(&self) -> &[Change] {
        match self {
            Self::CloudFormation(plan) => &plan.changes,
            Self::Terraform(plan) => &plan.changes,
            Self::Google(plan) => &plan.changes,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudFormation(plan) => plan.fmt(f),
            Self::Terraform(plan) => plan.fmt(f),
            Self::Google(plan) => plan.fmt(f),
        }
    }
}
