//! `cargo xtask destroy`: everything that was deployed and what it holds. It works on a half-made
//! deployment, and again on one that is gone.

use std::fmt;
use std::time::{Duration, Instant};

use args::{Destroy, Part};
use infra::render;
use serde::Serialize;

mod deletions;
mod ready;
mod stack;
#[cfg(test)]
mod tests;

use super::clouds::Clouds;
use super::site::Site;
use super::{ask, aws::Aws, gcp, known, terraform};
use crate::cloudformation as cfn;
use crate::inventory::{self, Item};
use cli::Failure;
use cli::Progress;
use infra::Checkout;
use stack::Gone;

/// Deleted resources may be shown for a while; pauses between two looks grow.
const INVENTORY_LIMIT: Duration = Duration::from_mins(2);
const INVENTORY_FIRST_POLL: Duration = Duration::from_millis(250);
const INVENTORY_POLL: Duration = Duration::from_secs(5);
/// The part of a deployment that Terraform's state is in.
const BOOTSTRAP: &str = "bootstrap";
/// The part of a deployment that terraform/ owns.
const FOUNDATION: &str = "foundation";

/// What a destroy left.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Destroyed {
    pub(super) part: String,
    /// What stays on purpose, and why.
    pub(super) kept: Vec<String>,
    /// What should be gone and isn't.
    pub(super) left: Vec<Item>,
}

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kept in &self.kept {
            writeln!(f, "kept: {kept}")?;
        }
        for left in &self.left {
            writeln!(f, "left: {left}")?;
        }
        match self.left.len() {
            0 => writeln!(f, "{} is destroyed: the inventory is empty", self.part),
            n => writeln!(
                f,
                "{}: {n} resources are still there; run the same command again",
                self.part
            ),
        }
    }
}

pub(super) async fn run(args: &Destroy, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let parts = site.parts(args.part)?;
    let progress = Progress::default();
    // Of both clouds before anything is touched in either.
    let account = if parts.iter().any(|part| *part != Part::Gcp) {
        Some(Aws::open(&site).await?.account)
    } else {
        None
    };
    if parts.contains(&Part::Gcp) {
        gcp::can_be_destroyed(&site, &progress).await?;
    }
    if parts.contains(&Part::Aws) {
        let is_named = site.is_protected() || args.confirm.is_some();
        ready::check(&site, is_named, &progress).await?;
    }
    progress.finish();
    let deed = "delete all of it and all that it holds";
    let clouds = Clouds::with(&site, account, parts);
    ask::agree_on_all(&site, &clouds, deed, args.yes, args.confirm.as_deref())?;
    let mut all = Vec::new();
    // The last to be deployed goes first.
    for part in parts.iter().rev() {
        let destroyed = match part {
            Part::Gcp => gcp::destroy(&site, &progress).await?,
            Part::Foundation => foundation(&site, &progress).await?,
            Part::Aws | Part::All => aws(&site, &progress).await?,
        };
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

async fn aws(site: &Site, progress: &Progress) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    let _lock = site.lock("destroy", progress).await?;
    let mut gone = stack::delete(&aws, &aws.stack(), progress).await?.unwrap_or_default();
    let mut kept = Vec::new();
    if terraform::has_state(&aws).await? {
        kept.push(format!(
            "stack {}: it holds Terraform's state; `cargo xtask destroy foundation` comes first, then this again",
            aws.bootstrap()
        ));
    } else if let Some(bootstrap) = stack::delete(&aws, &aws.bootstrap(), progress).await? {
        gone.deleted.extend(bootstrap.deleted);
        gone.left.extend(bootstrap.left);
    }
    let left = left(&aws, gone, !kept.is_empty(), progress).await?;
    Ok(Destroyed { part: Part::Aws.to_string(), kept, left })
}

async fn foundation(site: &Site, progress: &Progress) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    terraform::destroy_foundation(&aws, progress).await?;
    let mut kept = Vec::new();
    if cfn::status(&aws.client, &aws.stack()).await?.is_some() {
        kept.push(format!("stack {}: `cargo xtask destroy aws` deletes it", aws.bootstrap()));
    } else {
        stack::delete(&aws, &aws.bootstrap(), progress).await?;
    }
    let tags = render::tags(&site.settings);
    let items = inventory::aws(&aws.config, &tags).await?;
    let left = items
        .into_iter()
        .filter(|item| item.component.as_deref() == Some(FOUNDATION) && !terraform::is_key(item));
    Ok(Destroyed { part: Part::Foundation.to_string(), kept, left: left.collect() })
}

/// Resources with the deployment's tags, apart from what stays on purpose, and what a stack let go of. What the stack says it
/// has deleted is gone, whatever the index of tags shows.
async fn left(
    aws: &Aws<'_>,
    gone: Gone,
    foundation_stays: bool,
    progress: &Progress,
) -> Result<Vec<Item>, Failure> {
    progress.now("looking for what is left");
    let tags = render::tags(&aws.site.settings);
    let begun = Instant::now();
    let mut pause = INVENTORY_FIRST_POLL;
    loop {
        let mut items = inventory::aws(&aws.config, &tags).await?;
        items.retain(|item| match item.component.as_deref() {
            // Terraform's, and a deleted key stays for days.
            Some(FOUNDATION) => false,
            Some(BOOTSTRAP) => !foundation_stays,
            _ => true,
        });
        items.retain(|item| !gone.deleted.iter().any(|name| item.is_of(name)));
        if items.is_empty() || begun.elapsed() >= INVENTORY_LIMIT {
            items.extend(gone.left);
            return Ok(items);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(INVENTORY_POLL);
    }
}
