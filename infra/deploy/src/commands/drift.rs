//! `cargo xtask drift`: what was changed by hand.

use std::fmt;

use args::Part;
use serde::Serialize;

mod own;

use super::gather::{Unreadable, gather};
use super::site::Site;
use super::{aws::Aws, gcp, report, terraform};
use crate::cloudformation as cfn;
use crate::plan::Change;
use cli::Failure;
use cli::Progress;
use infra::Checkout;

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
    #[serde(flatten)]
    pub(super) found: Found,
}

/// The findings of a part.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    /// Resources that neither the engine nor this compares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_compared: Vec<String>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PartDrift { part, found: Found { changes, not_compared } } in &self.parts {
            match changes.len() {
                0 => writeln!(f, "{part}: as it was deployed")?,
                1 => writeln!(f, "{part}: 1 resource was changed by hand")?,
                n => writeln!(f, "{part}: {n} resources were changed by hand")?,
            }
            changes.iter().try_for_each(|change| write!(f, "{change}"))?;
            if !not_compared.is_empty() {
                writeln!(f, "{part}: not compared: {}", not_compared.join(", "))?;
            }
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
        let found = of(&site, *part, &progress).await?;
        parts.push(PartDrift { part: part.to_string(), found });
    }
    progress.finish();
    let drift = Drift {
        environment: site.settings.project.environment.clone(),
        target: site.target().to_string(),
        parts,
    };
    report::print(&drift, args.json)?;
    let drifted = drift.parts.iter().any(|part| !part.found.changes.is_empty());
    if drifted { Err(Failure::CheckFailed) } else { Ok(()) }
}

/// The drift of one part.
pub(super) async fn of(site: &Site, part: Part, progress: &Progress) -> Result<Found, Failure> {
    let changes = match part {
        Part::Aws | Part::All => return aws(site).await,
        Part::Gcp => gcp::drift(site, progress).await?,
        Part::Foundation => terraform::drift(site, part, progress).await?,
    };
    Ok(Found { changes, ..Found::default() })
}

async fn aws(site: &Site) -> Result<Found, Failure> {
    let aws = Aws::open(site).await?;
    let mut found = Found::default();
    own::add(&aws, &aws.stack(), &mut found).await?;
    if cfn::status(&aws.client, &aws.bootstrap()).await?.is_some() {
        own::add(&aws, &aws.bootstrap(), &mut found).await?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
