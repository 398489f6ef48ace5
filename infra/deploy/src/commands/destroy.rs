//! `cargo xtask destroy`: everything that was deployed and what it holds. It works on a half-made
//! deployment, and again on one that is gone.

use std::fmt;
use std::time::{Duration, Instant};

use args::{Destroy, Part};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use infra::{names, render};
use serde::Serialize;

use super::failure::Failure;
use super::site::{Checkout, Site};
use super::{ask, aws::Aws, gcp, known, report, terraform};
use crate::aws::in_words;
use crate::inventory::{self, Item};
use crate::progress::Progress;
use crate::{bucket, cloudformation as cfn};

/// AWS's index of tags shows what was deleted for a while.
const INVENTORY_LIMIT: Duration = Duration::from_mins(2);
const INVENTORY_POLL: Duration = Duration::from_millis(250);
/// How often a bucket is emptied that something still writes to.
const ROUNDS: u32 = 3;
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
    let deed = "delete all of it and all that it holds";
    ask::agree_on(&site, deed, args.yes, args.confirm.as_deref())?;
    let progress = Progress::default();
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
    if all.iter().all(|destroyed| destroyed.left.is_empty()) { Ok(()) } else { Err(Failure::Found) }
}

async fn aws(site: &Site, progress: &Progress) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    unprotect(&aws).await?;
    let archive = names::aws_bucket(&site.settings, &aws.account);
    delete(&aws, &aws.stack(), &[archive], progress).await?;
    let mut kept = Vec::new();
    if terraform::has_state(&aws).await? {
        kept.push(format!(
            "stack {}: it holds Terraform's state; `cargo xtask destroy foundation` comes first, then this again",
            aws.bootstrap()
        ));
    } else {
        delete_bootstrap(&aws, progress).await?;
    }
    let left = left(&aws, !kept.is_empty(), progress).await?;
    Ok(Destroyed { part: Part::Aws.to_string(), kept, left })
}

async fn foundation(site: &Site, progress: &Progress) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    terraform::destroy_foundation(&aws, progress).await?;
    let mut kept = Vec::new();
    if cfn::status(&aws.client, &aws.stack()).await?.is_some() {
        kept.push(format!("stack {}: `cargo xtask destroy aws` deletes it", aws.bootstrap()));
    } else {
        delete_bootstrap(&aws, progress).await?;
    }
    let tags = render::tags(&site.settings);
    let items = inventory::aws(&aws.config, &tags).await?;
    let left = items
        .into_iter()
        .filter(|item| item.component.as_deref() == Some(FOUNDATION) && !terraform::is_key(item));
    Ok(Destroyed { part: Part::Foundation.to_string(), kept, left: left.collect() })
}

async fn delete_bootstrap(aws: &Aws<'_>, progress: &Progress) -> Result<(), Failure> {
    let settings = &aws.site.settings;
    let mut buckets = vec![names::aws_artifact_bucket(settings, &aws.account)];
    // One that was there before is not ours to empty.
    if settings.aws.state.bucket.is_none() {
        buckets.push(names::aws_state_bucket(settings, &aws.account));
    }
    delete(aws, &aws.bootstrap(), &buckets, progress).await
}

/// Deletes a stack whose buckets must be empty first. What still writes may fill one in between.
async fn delete(
    aws: &Aws<'_>,
    stack: &str,
    buckets: &[String],
    progress: &Progress,
) -> Result<(), Failure> {
    // Without the stack, a bucket of that name may be anybody's.
    if cfn::status(&aws.client, stack).await?.is_none() {
        return Ok(());
    }
    let mut round = 1;
    loop {
        for name in buckets {
            progress.now(format!("emptying bucket {name}"));
            bucket::empty(&aws.config, name, &mut |count| {
                progress.now(format!("emptying bucket {name}: {count} objects and versions"));
            })
            .await?;
        }
        progress.now(format!("deleting stack {stack}"));
        let deleted = cfn::delete(&aws.client, stack, &aws.limits, &mut |p| {
            report::stack(progress, &p);
        })
        .await;
        match deleted {
            Ok(()) => return Ok(()),
            Err(cfn::Error::Failed { reason, .. })
                if round < ROUNDS && reason.contains("not empty") =>
            {
                round += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A protected table would end the deletion half-way; whoever typed the stack's name means it too.
async fn unprotect(aws: &Aws<'_>) -> Result<(), Failure> {
    if cfn::status(&aws.client, &aws.stack()).await?.is_none() {
        return Ok(());
    }
    let table = &aws.site.settings.aws.table;
    let client = aws_sdk_dynamodb::Client::new(&aws.config);
    let answer =
        client.update_table().table_name(table).deletion_protection_enabled(false).send().await;
    match answer {
        Ok(_) => Ok(()),
        // There is none, or it is unprotected and there is nothing to update.
        Err(error)
            if matches!(
                error.code(),
                Some(
                    "ResourceNotFoundException" | "ValidationException" | "ResourceInUseException"
                )
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(Failure::Failed(anyhow::anyhow!(
            "take the deletion protection off table {table}: {}",
            in_words(&error)
        ))),
    }
}

/// What carries the deployment's tags, apart from what stays on purpose.
async fn left(
    aws: &Aws<'_>,
    foundation_stays: bool,
    progress: &Progress,
) -> Result<Vec<Item>, Failure> {
    progress.now("looking for what is left");
    let tags = render::tags(&aws.site.settings);
    let begun = Instant::now();
    loop {
        let mut items = inventory::aws(&aws.config, &tags).await?;
        items.retain(|item| match item.component.as_deref() {
            // Terraform's, and a deleted key stays for days.
            Some(FOUNDATION) => false,
            Some(BOOTSTRAP) => !foundation_stays,
            _ => true,
        });
        if items.is_empty() || begun.elapsed() >= INVENTORY_LIMIT {
            return Ok(items);
        }
        tokio::time::sleep(INVENTORY_POLL).await;
    }
}
