//! `cargo xtask destroy`: deletes everything that was deployed, with its data. It works on a
//! partial deployment, and again on a deleted one.

use args::{Destroy, Part};
use cli::{Failure, Progress};
use infra::Checkout;

use super::aws::Aws;
use super::clouds::Clouds;
use super::site::DeployContext;
use super::{ask, components, known};

pub(super) async fn run(args: &Destroy, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    let parts = site.parts(args.part)?;
    let progress = Progress::default();
    // Both clouds are checked before anything is changed in either.
    let account = if parts.iter().any(|part| *part != Part::Gcp) {
        Some(Aws::open(&site).await?.account)
    } else {
        None
    };
    let is_named = site.is_protected() || args.confirm.is_some();
    for part in parts.iter().rev() {
        components::of(*part)?.check_destroy(&site, is_named, &progress).await?;
    }
    progress.finish();
    let deed = "delete all of it and all that it holds";
    let clouds = Clouds::with(&site, account, parts);
    ask::agree_on_all(&site, &clouds, deed, args.yes, args.confirm.as_deref())?;
    let mut all = Vec::new();
    // In reverse order of deployment.
    for part in parts.iter().rev() {
        let destroyed = components::of(*part)?.destroy(&site, &progress).await?;
        known::forget(&site, *part)?;
        progress.finish();
        if !args.json {
            print!("{destroyed}");
        }
        all.push(destroyed);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    if all.iter().all(|destroyed| destroyed.left.is_empty()) {
        Ok(())
    } else {
        Err(Failure::CheckFailed)
    }
}
