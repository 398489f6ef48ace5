//! A plan: the changes that a deploy would make, to be shown and confirmed.

use std::fmt;

use cli::{Failure, Progress};
use serde::Serialize;

use super::ask;
use super::clouds::Clouds;
use super::site::DeployContext;
use super::step::Step;

/// The changes of a deploy, engine by engine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plans {
    pub(super) environment: String,
    pub(super) target: String,
    /// The account, project and regions.
    pub(super) clouds: Clouds,
    /// Number of resources that change.
    pub(super) changes: usize,
    pub(super) steps: Vec<Step>,
}

impl Plans {
    pub(super) fn of(site: &DeployContext, steps: Vec<Step>) -> Self {
        Self {
            environment: site.settings.project.environment.clone(),
            target: site.target().to_string(),
            clouds: Clouds::of(site, &steps),
            changes: steps.iter().map(|step| step.changes().len()).sum(),
            steps,
        }
    }
}

impl fmt::Display for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.clouds != Clouds::default() {
            writeln!(f, "{} on {}: {}", self.environment, self.target, self.clouds)?;
        }
        self.steps.iter().try_for_each(|step| step.fmt(f))?;
        match self.changes {
            0 => writeln!(f, "{} on {}: no changes", self.environment, self.target),
            1 => writeln!(f, "{} on {}: 1 resource changes", self.environment, self.target),
            n => writeln!(f, "{} on {}: {n} resources change", self.environment, self.target),
        }
    }
}

/// Shows the changes, and asks for confirmation, unless there are none.
pub(super) fn show(
    site: &DeployContext,
    steps: Vec<Step>,
    yes: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let plans = Plans::of(site, steps);
    progress.finish();
    eprint!("{plans}");
    if plans.changes == 0 { Ok(()) } else { ask::apply(&plans.clouds, yes) }
}
