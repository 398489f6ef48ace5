//! `cargo xtask drift`: changes made since the last deploy by other means.

use std::fmt;

use cli::{Failure, Progress};
use infra::Checkout;
use serde::Serialize;

use super::components::Drifted;
use super::refresh_outputs::{Unreadable, gather};
use super::site::DeployContext;
use super::{components, report};

/// The differences from the last deploy, as changes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Drift {
    pub(super) environment: String,
    pub(super) target: String,
    pub(super) parts: Vec<PartDrift>,
}

/// The drift of one part.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PartDrift {
    pub(super) part: String,
    #[serde(flatten)]
    pub(super) found: Drifted,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PartDrift { part, found: Drifted { changes, not_compared } } in &self.parts {
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
    let site = DeployContext::open(&args.place, checkout)?;
    let progress = Progress::default();
    gather(&site, Unreadable::LeftOut, &progress).await?;
    let mut parts = Vec::new();
    for part in site.parts(args.part)? {
        progress.now(format!("comparing {part} with what was deployed"));
        let found = components::of(*part)?.drift(&site, &progress).await?;
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
