//! `cargo xtask deploy`: plan, apply, outputs, smoke test.

use cli::{Failure, Progress};
use infra::Checkout;

use super::refresh_outputs::{Unreadable, gather};
use super::site::DeployContext;
use super::{code_only, components, connect, known, plan, report};

pub(super) async fn run(args: &args::Deploy, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    Box::pin(of(&site, args, &Progress::default())).await
}

pub(super) async fn of(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<(), Failure> {
    if args.code_only {
        let deployed = code_only::run(site, args.part, progress).await?;
        progress.finish();
        return report::print(&deployed, args.json);
    }
    if args.dry_run {
        let plans = plan::of_all(site, args.part, progress).await?;
        progress.finish();
        return report::print(&plans, args.json);
    }
    gather(site, Unreadable::Refused, progress).await?;
    let mut all = Vec::new();
    for part in site.parts(args.part)? {
        let mut deployed = components::of(*part)?.apply(site, args, progress).await?;
        progress.finish();
        known::render(site, &known::known(site)?)?;
        deployed.connections = connect::of(site)?;
        if !args.json {
            print!("{deployed}");
        }
        all.push(deployed);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}
