//! `cargo xtask drift`: what was changed by hand.

use std::fmt;

use args::Part;
use serde::Serialize;

use super::failure::Failure;
use super::gather::{Unreadable, gather};
use super::site::{Checkout, Site};
use super::{aws::Aws, gcp, report, terraform};
use crate::cloudformation as cfn;
use crate::plan::Change;
use crate::progress::Progress;

/// What differs from what was deployed, seen as changes that somebody made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Drift {
    pub(super) environment: String,
    pub(super) target: String,
    pub(super) parts: Vec<PartDrift>,
}

/// The same of one part.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PartDrift {
    pub(super) part: String,
    pub(super) changes: Vec<Change>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PartDrift { part, changes } in &self.parts {
            match changes.len() {
                0 => writeln!(f, "{part}: as it was deployed")?,
                1 => writeln!(f, "{part}: 1 resource was changed by hand")?,
                n => writeln!(f, "{part}: {n} resources were changed by hand")?,
            }
            changes.iter().try_for_each(|change| write!(f, "{change}"))?;
        }
        Ok(())
    }
}

pub(super) async fn run(args: &args::Drift, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let progress = Progress::default();
    gather(&site, Unreadable::LeftOut, &progress).await?;
    let mut parts = Vec::new();
    for part in site.parts(args.part)? {
        progress.now(format!("comparing {part} with what was deployed"));
        let changes = of(&site, *part, &progress).await?;
        parts.push(PartDrift { part: part.to_string(), changes });
    }
    progress.finish();
    let drift = Drift {
        environment: site.settings.project.environment.clone(),
        target: site.target().to_string(),
        parts,
    };
    report::print(&drift, args.json)?;
    let drifted = drift.parts.iter().any(|part| !part.changes.is_empty());
    if drifted { Err(Failure::Found) } else { Ok(()) }
}

/// The drift of one part.
pub(super) async fn of(
    site: &Site,
    part: Part,
    progress: &Progress,
) -> Result<Vec<Change>, Failure> {
    match part {
        Part::Aws | Part::All => {
            let aws = Aws::open(site).await?;
            let mut changes = cfn::drift(&aws.client, &aws.stack(), &aws.limits).await?;
            if cfn::status(&aws.client, &aws.bootstrap()).await?.is_some() {
                changes.extend(cfn::drift(&aws.client, &aws.bootstrap(), &aws.limits).await?);
            }
            Ok(changes)
        }
        Part::Gcp => gcp::drift(site, progress).await,
        Part::Foundation => terraform::drift(site, part, progress).await,
    }
}
