//! A destroy of AWS's two stacks.

use std::time::{Duration, Instant};

use args::Part;
use cli::{Failure, Progress};
use infra::render;

use super::super::deletion::{self, Gone};
use super::super::{Destroyed, FOUNDATION, state};
use crate::commands::aws::Aws;
use crate::commands::site::DeployContext;
use crate::inventory::{self, Item};

/// Deleted resources may be listed for a while; pauses between two polls grow.
const INVENTORY_LIMIT: Duration = Duration::from_mins(2);
const INVENTORY_FIRST_POLL: Duration = Duration::from_millis(250);
const INVENTORY_POLL: Duration = Duration::from_secs(5);
/// The component whose bucket holds Terraform's state.
const BOOTSTRAP: &str = "bootstrap";

pub(super) async fn destroy(
    site: &DeployContext,
    progress: &Progress,
) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    let _lock = site.lock("destroy", progress).await?;
    let mut gone = deletion::delete(&aws, &aws.stack(), progress).await?.unwrap_or_default();
    let mut kept = Vec::new();
    if state::has_state(&aws).await? {
        kept.push(format!(
            "stack {}: it holds Terraform's state; `cargo xtask destroy foundation` comes first, then this again",
            aws.bootstrap()
        ));
    } else if let Some(bootstrap) = deletion::delete(&aws, &aws.bootstrap(), progress).await? {
        gone.deleted.extend(bootstrap.deleted);
        gone.left.extend(bootstrap.left);
    }
    let left = left(&aws, gone, !kept.is_empty(), progress).await?;
    Ok(Destroyed { part: Part::Aws.to_string(), kept, left })
}

/// Resources with the deployment's tags that still exist, except those kept on purpose, and resources that a stack released.
/// A resource that the stack reports as deleted is deleted, whatever the tag index lists.
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
            // Terraform's resources; a deleted key remains for days.
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

#[cfg(test)]
#[path = "destroy_tests.rs"]
mod tests;
