//! What was deployed from elsewhere. Nothing of it is kept in a fresh checkout, such as a workflow's, which has to know as much as
//! the one that deployed: what isn't known is left out, and a deploy would take it away.

use args::Part;

use super::failure::Failure;
use super::known::{self, Outputs};
use super::site::Site;
use super::{aws::Aws, gcp, terraform};
use crate::cloudformation as cfn;
use crate::progress::Progress;

/// What to do where it can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Stop: something would be changed.
    Refused,
    /// Say so and go on.
    LeftOut,
}

/// Reads the outputs of each part of which none are kept, of other regions too, and keeps them.
pub(super) async fn gather(
    site: &Site,
    unreadable: Unreadable,
    progress: &Progress,
) -> Result<(), Failure> {
    for part in [Part::Foundation, Part::Aws] {
        one(site, part, unreadable, progress).await?;
    }
    one(&site.of(site.settings.home())?, Part::Gcp, unreadable, progress).await?;
    for region in &site.settings.regions {
        let there = site.of(&region.environment)?;
        for part in [Part::Foundation, Part::Aws] {
            one(&there, part, unreadable, progress).await?;
        }
    }
    Ok(())
}

async fn one(
    site: &Site,
    part: Part,
    unreadable: Unreadable,
    progress: &Progress,
) -> Result<(), Failure> {
    if known::file(site, part).exists() {
        return Ok(());
    }
    let environment = &site.settings.project.environment;
    progress.now(format!("looking for {part} of {environment}, of which nothing is kept here"));
    match Box::pin(there(site, part, progress)).await {
        Ok(None) => Ok(()),
        Ok(Some(outputs)) => Ok(known::write(site, part, &outputs)?),
        Err(failure) => {
            let problem = format!(
                "nothing is kept here of {part} of {environment}, and it can't be read: {failure}; where it can be, \
                 `cargo xtask outputs {part} --env {environment}` writes outputs/{environment}/{part}.json, which is to be \
                 brought here"
            );
            match unreadable {
                Unreadable::Refused => Err(Failure::lacking(anyhow::anyhow!(problem))),
                Unreadable::LeftOut => {
                    progress.note(format!("note: left out: {problem}"));
                    Ok(())
                }
            }
        }
    }
}

/// None: it is not deployed.
async fn there(site: &Site, part: Part, progress: &Progress) -> Result<Option<Outputs>, Failure> {
    if part == Part::Gcp {
        return gcp::there(site, progress).await;
    }
    let aws = Aws::open(site).await?;
    if part == Part::Foundation {
        if !terraform::has_state(&aws).await? {
            return Ok(None);
        }
        return terraform::outputs(site, part, progress).await.map(Some);
    }
    match cfn::outputs(&aws.client, &aws.stack()).await {
        Ok(outputs) if outputs.0.is_empty() => Ok(None),
        Ok(outputs) => Ok(Some(aws.outputs(&outputs))),
        Err(cfn::Error::NoStack { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
