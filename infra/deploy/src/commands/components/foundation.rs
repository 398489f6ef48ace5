//! AWS's foundation: deployed once by an administrator with Terraform, together with the bootstrap stack that holds
//! its state.

use args::Part;
use async_trait::async_trait;
use cli::{Failure, Progress};
use infra::{names, render};

use super::{Component, Deployed, Destroyed, Drifted, FOUNDATION, Observed, deletion, state};
use crate::cloudformation as cfn;
use crate::commands::aws::Aws;
use crate::commands::known::{self, Outputs};
use crate::commands::plans;
use crate::commands::session::{Session, failed};
use crate::commands::site::DeployContext;
use crate::commands::step::Step;
use crate::inventory::{self, Item};
use crate::terraform::{Purpose, Root, Terraform};

/// The foundation.
pub(super) struct Foundation;

#[async_trait]
impl Component for Foundation {
    async fn plan(&self, site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
        plan(site, progress).await
    }

    async fn apply(
        &self,
        site: &DeployContext,
        args: &args::Deploy,
        progress: &Progress,
    ) -> Result<Deployed, Failure> {
        deploy_foundation(site, args, progress).await
    }

    async fn outputs(&self, site: &DeployContext, progress: &Progress) -> Result<Outputs, Failure> {
        outputs(site, progress).await
    }

    async fn observe(&self, site: &DeployContext, _: &Progress) -> Result<Observed, Failure> {
        let outputs = state::foundation_outputs(&Aws::open(site).await?).await?;
        Ok(outputs.map_or(Observed::Absent, Observed::Deployed))
    }

    async fn drift(&self, site: &DeployContext, progress: &Progress) -> Result<Drifted, Failure> {
        let aws = Aws::open(site).await?;
        let changes = foundation(&aws, None, progress).await?.drift().await?;
        Ok(Drifted { changes, ..Drifted::default() })
    }

    async fn destroy(
        &self,
        site: &DeployContext,
        progress: &Progress,
    ) -> Result<Destroyed, Failure> {
        destroy(site, progress).await
    }
}

/// The AWS foundation. Its state is in the bucket of the bootstrap stack.
///
/// `program` is the object key of the producer's program, if it differs from the deployed one.
async fn foundation<'s>(
    aws: &Aws<'_>,
    program: Option<String>,
    progress: &'s Progress,
) -> Result<Session<'s>, Failure> {
    let site = aws.site;
    let mut known = infra::files::ResolvedOutputs {
        aws_account: Some(aws.account.clone()),
        ..known::known(site)?
    };
    known.producer.program = program.or(known.producer.program);
    known::render(site, &known)?;
    let mut root = Root::aws(&site.checkout.root, &site.settings);
    root.backend.insert("bucket".to_owned(), names::aws_state_bucket(&site.settings, &aws.account));
    if let Some(local) = &site.local {
        root = root.on_aws_emulator(&local.aws_endpoint);
    }
    Session::open(site, root, progress).await
}

/// The changes of a deploy of the foundation. Without its bucket there is no state to compare with.
async fn plan(site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
    let aws = Aws::open(site).await?;
    let bootstrap = aws.plans(&[aws.wanted_bootstrap()], progress).await?;
    aws.discard(&bootstrap).await;
    let is_new = bootstrap.iter().any(|plan| plan.creates);
    let mut steps: Vec<Step> = bootstrap.into_iter().map(Step::CloudFormation).collect();
    if is_new {
        progress.note(format!(
            "foundation: terraform/ is planned once the stack {} is there, which holds its state",
            aws.bootstrap()
        ));
    } else {
        let session = Box::pin(foundation(&aws, aws.producer_program()?, progress)).await?;
        steps.push(Step::Terraform(session.look(Purpose::Deploy).await?));
    }
    Ok(steps)
}

async fn deploy_foundation(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<Deployed, Failure> {
    let aws = Aws::open(site).await?;
    // Checked first: a foundation without Terraform would fail half-way.
    Terraform::find(&site.settings).await.map_err(failed)?;
    let bootstrap = aws.plans(&[aws.wanted_bootstrap()], progress).await?;
    let steps = bootstrap.iter().cloned().map(Step::CloudFormation).collect();
    if let Err(refused) = plans::show(site, steps, args.yes, progress) {
        aws.discard(&bootstrap).await;
        return Err(refused);
    }
    for plan in &bootstrap {
        aws.execute(plan, progress).await?;
    }
    aws.protect(&aws.bootstrap()).await?;
    let producer = Box::pin(aws.upload_producer()).await?;
    let session = Box::pin(foundation(&aws, producer, progress)).await?;
    session.deploy(site, args.yes).await?;
    let outputs = session.outputs().await?;
    known::write(site, Part::Foundation, &outputs)?;
    Ok(Deployed::new(Part::Foundation, outputs, None))
}

async fn destroy_foundation(aws: &Aws<'_>, progress: &Progress) -> Result<(), Failure> {
    if !state::has_state(aws).await? {
        return Ok(());
    }
    foundation(aws, None, progress).await?.destroy().await
}

async fn outputs(site: &DeployContext, progress: &Progress) -> Result<Outputs, Failure> {
    let aws = Aws::open(site).await?;
    if !state::has_state(&aws).await? {
        return Err(anyhow::anyhow!(
            "foundation is not deployed; `cargo xtask deploy foundation` does it"
        )
        .into());
    }
    foundation(&aws, None, progress).await?.outputs().await
}

async fn destroy(site: &DeployContext, progress: &Progress) -> Result<Destroyed, Failure> {
    let aws = Aws::open(site).await?;
    destroy_foundation(&aws, progress).await?;
    let mut kept = Vec::new();
    if cfn::status(&aws.client, &aws.stack()).await?.is_some() {
        kept.push(format!("stack {}: `cargo xtask destroy aws` deletes it", aws.bootstrap()));
    } else {
        deletion::delete(&aws, &aws.bootstrap(), progress).await?;
    }
    let tags = render::tags(&site.settings);
    let items = inventory::aws(&aws.config, &tags).await?;
    let left = items
        .into_iter()
        .filter(|item| item.component.as_deref() == Some(FOUNDATION) && !is_key(item));
    Ok(Destroyed { part: Part::Foundation.to_string(), kept, left: left.collect() })
}

/// True for a KMS key: a deleted one remains for days, with its tags.
fn is_key(item: &Item) -> bool {
    item.name.contains(":kms:")
}

#[cfg(test)]
mod tests;
