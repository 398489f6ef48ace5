//! AWS's two stacks: the one of the pipeline, and the bootstrap stack, which holds the functions' code and Terraform's state.

use async_trait::async_trait;
use cli::{Failure, Progress};

use super::{Component, Deployed, Destroyed, Drifted, Observed};
use crate::cloudformation as cfn;
use crate::commands::aws::Aws;
use crate::commands::cloud_status::CloudStatus;
use crate::commands::known::{self, Outputs};
use crate::commands::site::DeployContext;
use crate::commands::step::Step;

mod apply;
mod destroy;
mod drift;
mod ready;
mod rights;
mod status;

/// Both stacks.
pub(super) struct Stack;

#[async_trait]
impl Component for Stack {
    async fn plan(&self, site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
        let aws = Aws::open(site).await?;
        let wanted = aws.wanted(&known::known(site)?)?;
        let plans = aws.plans(&wanted, progress).await?;
        aws.discard(&plans).await;
        Ok(plans.into_iter().map(Step::CloudFormation).collect())
    }

    async fn apply(
        &self,
        site: &DeployContext,
        args: &args::Deploy,
        progress: &Progress,
    ) -> Result<Deployed, Failure> {
        apply::apply(site, args, progress).await
    }

    async fn outputs(&self, site: &DeployContext, _: &Progress) -> Result<Outputs, Failure> {
        let aws = Aws::open(site).await?;
        Ok(aws.outputs(&cfn::deployed(&aws.client, &aws.stack()).await?))
    }

    async fn observe(&self, site: &DeployContext, _: &Progress) -> Result<Observed, Failure> {
        let aws = Aws::open(site).await?;
        match cfn::deployed(&aws.client, &aws.stack()).await {
            Ok(deployed) if deployed.outputs.0.is_empty() => Ok(Observed::Absent),
            Ok(deployed) => Ok(Observed::Deployed(aws.outputs(&deployed))),
            Err(cfn::Error::NoStack { .. }) => Ok(Observed::Absent),
            Err(error) => Err(error.into()),
        }
    }

    async fn drift(&self, site: &DeployContext, _: &Progress) -> Result<Drifted, Failure> {
        drift::drift(site).await
    }

    async fn check_destroy(
        &self,
        site: &DeployContext,
        is_named: bool,
        progress: &Progress,
    ) -> Result<(), Failure> {
        ready::check(site, is_named, progress).await
    }

    async fn destroy(
        &self,
        site: &DeployContext,
        progress: &Progress,
    ) -> Result<Destroyed, Failure> {
        destroy::destroy(site, progress).await
    }

    async fn status(&self, site: &DeployContext, progress: Option<&Progress>) -> CloudStatus {
        status::status(site, progress).await
    }
}
