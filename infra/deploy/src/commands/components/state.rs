//! The foundation's state, read from its bucket without Terraform.

use anyhow::Context as _;
use cli::Failure;
use infra::names;

use crate::aws::in_words;
use crate::commands::aws::Aws;
use crate::commands::known::Outputs;
use crate::commands::session::State;

/// The foundation's state; none before its first apply.
async fn state(aws: &Aws<'_>) -> Result<Option<State>, Failure> {
    let bucket = names::aws_state_bucket(&aws.site.settings, &aws.account);
    let key = &aws.site.settings.aws.state.key;
    let client = crate::artifact::client(&aws.config);
    let answer = match client.get_object().bucket(&bucket).key(key).send().await {
        Ok(answer) => answer,
        Err(error) => {
            use aws_sdk_s3::error::ProvideErrorMetadata as _;
            if matches!(error.code(), Some("NoSuchKey" | "NoSuchBucket")) {
                return Ok(None);
            }
            let problem = in_words(&error);
            return Err(
                anyhow::anyhow!("read Terraform's state s3://{bucket}/{key}: {problem}").into()
            );
        }
    };
    let bytes = answer.body.collect().await.context("read Terraform's state")?.into_bytes();
    let state = State::read(&bytes)
        .with_context(|| format!("read Terraform's state s3://{bucket}/{key}"))?;
    Ok(Some(state))
}

/// True if the foundation's state has any resource.
pub(super) async fn has_state(aws: &Aws<'_>) -> Result<bool, Failure> {
    Ok(state(aws).await?.is_some_and(|state| !state.resources.is_empty()))
}

/// The foundation's outputs, read from its state; none if it isn't deployed.
pub(super) async fn foundation_outputs(aws: &Aws<'_>) -> Result<Option<Outputs>, Failure> {
    let state = state(aws).await?.filter(|state| !state.resources.is_empty());
    Ok(state.map(State::outputs))
}
