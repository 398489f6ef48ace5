//! `cargo xtask plan`: the changes that a deploy would make.

use args::Part;
use cli::{Failure, Progress};
use infra::Checkout;

#[cfg(test)]
mod tests;

use super::plans::Plans;
use super::refresh_outputs::{Unreadable, gather};
use super::site::DeployContext;
use super::{components, report};

pub(super) async fn run(args: &args::Plan, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    let progress = Progress::default();
    let plans = Box::pin(of_all(&site, args.part, &progress)).await?;
    progress.finish();
    report::print(&plans, args.json)
}

/// Plans a part, or each part of `all`, from the live outputs of the others; `deploy --dry-run` does the same.
pub(super) async fn of_all(
    site: &DeployContext,
    part: Part,
    progress: &Progress,
) -> Result<Plans, Failure> {
    gather(site, Unreadable::LeftOut, progress).await?;
    let mut steps = Vec::new();
    for part in site.parts(part)? {
        steps.extend(components::of(*part)?.plan(site, progress).await?);
    }
    Ok(Plans::of(site, steps))
}
