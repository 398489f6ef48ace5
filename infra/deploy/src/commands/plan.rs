//! `cargo xtask plan`: what a deploy would change.

use std::fmt;

use args::Part;
use serde::Serialize;

#[cfg(test)]
mod tests;

use super::clouds::Clouds;
use super::gather::{Unreadable, gather};
use super::site::Site;
use super::{aws::Aws, gcp, known, report, terraform};
use crate::cloudformation;
use crate::plan::Change;
use cli::Failure;
use cli::Progress;
use infra::Checkout;

/// What one engine would change.
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

/// What a deploy would change, engine by engine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plans {
    pub(super) environment: String,
    pub(super) target: String,
    /// The account, project and regions.
    pub(super) clouds: Clouds,
    /// How many resources change.
    pub(super) changes: usize,
    pub(super) steps: Vec<Step>,
}

impl Plans {
    pub(super) fn of(site: &Site, steps: Vec<Step>) -> Self {
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

pub(super) async fn run(args: &args::Plan, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let progress = Progress::default();
    let plans = Box::pin(of_all(&site, args.part, &progress)).await?;
    progress.finish();
    report::print(&plans, args.json)
}

/// Plans a part, or each part of `all`, from the live outputs of the others; `deploy --dry-run` does the same.
pub(super) async fn of_all(site: &Site, part: Part, progress: &Progress) -> Result<Plans, Failure> {
    gather(site, Unreadable::LeftOut, progress).await?;
    let mut steps = Vec::new();
    for part in site.parts(part)? {
        steps.extend(of(site, *part, progress).await?);
    }
    Ok(Plans::of(site, steps))
}

/// Plans one part, and leaves nothing behind.
pub(super) async fn of(site: &Site, part: Part, progress: &Progress) -> Result<Vec<Step>, Failure> {
    match part {
        Part::Aws => {
            let aws = Aws::open(site).await?;
            let wanted = aws.wanted(&known::known(site)?)?;
            let plans = aws.plans(&wanted, progress).await?;
            aws.discard(&plans).await;
            Ok(plans.into_iter().map(Step::CloudFormation).collect())
        }
        Part::Gcp => Box::pin(gcp::plan(site, progress)).await,
        Part::Foundation => Box::pin(terraform::plan(site, part, progress)).await,
        Part::All => unreachable_all(),
    }
}

/// `Part::parts` has split it.
pub(super) fn unreachable_all<T>() -> Result<T, Failure> {
    Err(Failure::usage(anyhow::anyhow!("`all` is not one part")))
}
