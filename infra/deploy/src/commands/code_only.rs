//! `cargo xtask deploy aws --code-only`: new code within seconds.
//!
//! The new version receives the messages as soon as it is published; if the smoke test fails, the old
//! one receives them again. Only then is the stack updated, so that its record stays right.

use anyhow::{Context as _, anyhow};
use args::Part;
use infra::render::{self, Code};

use super::aws::{Aws, LIVE};
use super::components::Deployed;
use super::known;
use super::site::DeployContext;
use crate::cloudformation as cfn;
use crate::smoke;
use crate::versions::{Function, Version};
use cli::Failure;
use cli::Progress;

pub(super) async fn run(
    site: &DeployContext,
    part: Part,
    progress: &Progress,
) -> Result<Deployed, Failure> {
    if part != Part::Aws {
        return Err(Failure::usage(anyhow!(
            "--code-only is for aws; on Google Cloud a new image is a plan of one change: `cargo xtask deploy gcp`"
        )));
    }
    let aws = Aws::open(site).await?;
    let _lock = site.lock("deploy --code-only", progress).await?;
    let before = cfn::deployed(&aws.client, &aws.stack()).await?;
    let code = aws.code()?;
    progress.now("uploading the functions' code");
    aws.upload().await?;
    let smoke = ingest(&aws, &before, &code, progress).await?;
    if let (Some(replicate), Some(name)) =
        (&code.replicate, before.outputs.0.get("ReplicateFunctionName"))
    {
        progress.now(format!("updating {name}"));
        Function::new(&aws.config, name).update(&code.bucket, &replicate.key).await?;
    }
    tell_the_stack(&aws, &before, &code, progress).await?;
    let outputs = aws.outputs(&cfn::deployed(&aws.client, &aws.stack()).await?);
    known::write(site, Part::Aws, &outputs)?;
    Ok(Deployed::new(Part::Aws, outputs, Some(smoke)))
}

/// Publishes the new version and directs messages to it; directs them back if it doesn't work.
async fn ingest(
    aws: &Aws<'_>,
    before: &cfn::Deployed,
    code: &Code,
    progress: &Progress,
) -> Result<smoke::Passed, Failure> {
    let name = before.outputs.get("FunctionName")?;
    let function = Function::new(&aws.config, name);
    let old = function.behind(LIVE).await?.ok_or_else(|| crate::versions::Error::Absent {
        function: name.to_owned(),
        alias: LIVE.to_owned(),
    })?;
    if old.code_sha256 == code.ingest.sha256_base64 {
        progress.note(format!("{name}: version {} has this code already", old.version));
        return aws.smoke(&before.outputs, progress).await;
    }
    progress.now(format!("updating {name}"));
    function.update(&code.bucket, &code.ingest.key).await?;
    // With the same revision, the stack finds this version when it wants to publish it.
    let parameters = render::with_code(before.parameters.clone(), code);
    let new = function.publish(parameters.get("Revision").map(String::as_str)).await?;
    function.point(LIVE, &new).await?;
    progress.note(format!(
        "{name}: version {} has the messages, before it {}",
        new.version, old.version
    ));
    match aws.smoke(&before.outputs, progress).await {
        Ok(passed) => Ok(passed),
        Err(failed) => {
            progress.note(format!("{name}: back to version {}", old.version));
            let old_key = before.parameters.get("ArtifactKey");
            roll_back(&function, &old, &code.bucket, old_key).await.with_context(|| {
                format!("go back to version {}; {name} still has the new code", old.version)
            })?;
            Err(why(failed, &new, &old))
        }
    }
}

async fn roll_back(
    function: &Function,
    old: &Version,
    bucket: &str,
    key: Option<&String>,
) -> Result<(), crate::versions::Error> {
    function.point(LIVE, old).await?;
    // The latest code too: the next version is published from it.
    match key {
        Some(key) => function.update(bucket, key).await,
        None => Ok(()),
    }
}

fn why(failed: Failure, new: &Version, old: &Version) -> Failure {
    let back = format!(
        "version {} did not work; version {} has the messages again",
        new.version, old.version
    );
    match failed {
        Failure::Failed(error) => Failure::Failed(error.context(back)),
        other => other,
    }
}

/// Updates the stack's own record: the same template with the new code, which is already deployed.
async fn tell_the_stack(
    aws: &Aws<'_>,
    before: &cfn::Deployed,
    code: &Code,
    progress: &Progress,
) -> Result<cfn::Outputs, Failure> {
    let parameters = render::with_code(before.parameters.clone(), code);
    let name = aws.stack();
    let tags = render::tags(&aws.site.settings);
    let template = cfn::template(&aws.client, &name).await?;
    let request = cfn::StackRequest {
        name: &name,
        template: &template,
        parameters: &parameters,
        tags: &tags,
    };
    progress.now(format!("telling the stack {name}"));
    let outputs = cfn::apply(&aws.client, &request, &aws.limits, &mut |p| {
        super::report::stack(progress, &p);
    })
    .await?;
    Ok(outputs)
}
