//! Google Cloud on the emulators that `up` started.

use std::collections::BTreeMap;

use anyhow::Context as _;
use args::Part;
use infra::files::ResolvedOutputs;

use super::{CloudStatus, DeployContext, Failure, Outputs, Progress, Step, known};
use crate::commands::components::Destroyed;
use crate::commands::plans::show;
use crate::google::{self, Desired, Endpoints, Error};
use crate::inventory;
use crate::plan::Change;

fn failed(error: Error) -> Failure {
    if error.is_environment() { Failure::missing(error) } else { error.into() }
}

fn endpoints(site: &DeployContext) -> Result<Endpoints, Failure> {
    let local = site.local.as_ref().context("find the local clouds")?;
    Ok(local.google())
}

fn desired(site: &DeployContext) -> Result<Desired, Failure> {
    let known = ResolvedOutputs { aws_account: Some(ACCOUNT.to_owned()), ..known::known(site)? };
    // In addition to its usual variables.
    let mut env: BTreeMap<String, String> = site.settings.gcp_replicate_env(&known);
    env.insert("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned());
    env.insert("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned());
    let artifacts = &site.checkout.artifacts;
    Desired::new(&site.settings, artifacts, &endpoints(site)?, &env).map_err(failed)
}

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";

pub(super) async fn plan(site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
    progress.now("planning Google Cloud");
    let plan = google::plan(&desired(site)?, &endpoints(site)?).await.map_err(failed)?;
    Ok(vec![Step::Google(plan)])
}

pub(super) async fn deploy(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<Outputs, Failure> {
    let (desired, endpoints) = (desired(site)?, endpoints(site)?);
    let plan = google::plan(&desired, &endpoints).await.map_err(failed)?;
    show(site, vec![Step::Google(plan.clone())], args.yes, progress)?;
    progress.now("deploying to Google Cloud");
    let mut on_step = |step: &google::Step| step_of(progress, step);
    google::apply(&plan, &desired, &endpoints, &mut on_step).await.map_err(failed)
}

fn step_of(progress: &Progress, step: &google::Step) {
    match step.took {
        Some(_) => progress.note(step.to_string()),
        None => progress.now(step.to_string()),
    }
}

pub(super) async fn drift(site: &DeployContext) -> Result<Vec<Change>, Failure> {
    let outputs = outputs(site).await?;
    if !outputs.contains_key("topic") {
        return Err(anyhow::anyhow!(
            "{} is not deployed; `cargo xtask deploy gcp` does it",
            Part::Gcp
        )
        .into());
    }
    google::drift(&desired(site)?, &endpoints(site)?).await.map_err(failed)
}

pub(super) async fn outputs(site: &DeployContext) -> Result<Outputs, Failure> {
    google::outputs(&site.settings, &endpoints(site)?).await.map_err(failed)
}

pub(super) async fn destroy(
    site: &DeployContext,
    progress: &Progress,
) -> Result<Destroyed, Failure> {
    let endpoints = endpoints(site)?;
    let mut on_step = |step: &google::Step| step_of(progress, step);
    google::destroy(&site.settings, &endpoints, &mut on_step).await.map_err(failed)?;
    let left = google::inventory(&site.settings, &endpoints).await.map_err(failed)?;
    let left = left.into_iter().map(|item| inventory::Item {
        resource_type: item.resource_type,
        name: item.name,
        component: None,
    });
    Ok(Destroyed { part: Part::Gcp.to_string(), kept: Vec::new(), left: left.collect() })
}

/// Fills in the state. An emulator does not report the number of messages in a push subscription.
pub(super) async fn fill(
    site: &DeployContext,
    status: &mut CloudStatus,
    with_drift: bool,
) -> Result<(), Failure> {
    let Some(local) = &site.local else { return Ok(()) };
    let items = google::inventory(&site.settings, &local.google()).await.map_err(failed)?;
    if items.is_empty() {
        return Ok(());
    }
    status.stack = Some(format!("{} resources", items.len()));
    let run = google::Run::new(&local.run_endpoint).map_err(failed)?;
    let services = run.services().await.map_err(failed)?;
    let service = |service: &crate::local::run::ServiceState| {
        format!("{} revision {}", service.name, service.revision)
    };
    status.functions = services.iter().map(service).collect();
    if with_drift {
        status.drift = status.take(drift(site).await).map(|changes| changes.len());
    }
    Ok(())
}
