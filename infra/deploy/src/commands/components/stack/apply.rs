//! A deploy of AWS's two stacks.

use std::time::Duration;

use args::Part;
use cli::{Failure, Progress};

use super::super::Deployed;
use crate::cloudformation as cfn;
use crate::commands::aws::{Aws, Desired};
use crate::commands::plans::{self, Plans};
use crate::commands::site::DeployContext;
use crate::commands::step::Step;
use crate::commands::{known, report};
use crate::lock::Lock;

pub(super) async fn apply(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<Deployed, Failure> {
    let aws = Aws::open(site).await?;
    let stack = both_stacks(&aws, args, progress).await?;
    protect(&aws, progress).await?;
    if let Some(note) = aws.few_invocations().await {
        progress.note(format!("note: {note}"));
    }
    let outputs = aws.outputs(&cfn::deployed(&aws.client, &aws.stack()).await?);
    known::write(site, Part::Aws, &outputs)?;
    let smoke = aws.smoke(&stack, progress).await?;
    Ok(Deployed::new(Part::Aws, outputs, Some(smoke)))
}

/// Protects the stacks of a protected environment from deletion; `destroy` removes this once their name is given.
async fn protect(aws: &Aws<'_>, progress: &Progress) -> Result<(), Failure> {
    aws.protect(&aws.stack()).await?;
    // A workflow's role may not protect the stack that an administrator created: the same right removes the protection.
    if let Err(error) = aws.protect(&aws.bootstrap()).await {
        progress.note(format!("note: {error}; `cargo xtask deploy foundation` does it"));
    }
    Ok(())
}

/// SQS blocks the name of a deleted queue for a minute, for example after a destroy.
const NAME_BLOCKED: Duration = Duration::from_secs(65);
const NAME_TRIES: u32 = 3;

fn is_name_blocked(error: &cfn::Error) -> bool {
    let words = ["QueueDeletedRecently", "60 seconds after deleting a queue"];
    matches!(error, cfn::Error::Failed { reason, .. } if words.iter().any(|word| reason.contains(word)))
}

/// Deploys both stacks. If another deploy interferes, that is an error for a confirmed plan, which is outdated; with
/// `--yes`, the plan is made again. One command of a checkout at a time, except while a question is open.
async fn both_stacks(
    aws: &Aws<'_>,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<cfn::Outputs, Failure> {
    let wanted = aws.wanted(&known::known(aws.site)?)?;
    let mut lock = None;
    if args.yes {
        lock = Some(aws.site.lock("deploy", progress).await?);
    }
    let (mut round, mut tries) = (1, 1);
    loop {
        match attempt(aws, &wanted, args, &mut lock, progress).await {
            Err(Stopped::Stack(cfn::Error::Overtaken { .. }))
                if args.yes && round < cfn::ROUNDS =>
            {
                let mut told = |p: cfn::Progress<'_>| report::stack(progress, &p);
                cfn::wait_for_turn(round, &aws.limits, &mut told).await;
                round += 1;
            }
            Err(Stopped::Stack(error)) if is_name_blocked(&error) && tries < NAME_TRIES => {
                tries += 1;
                progress.note(format!(
                    "{error}: a queue of this name was deleted within the last minute; trying again in {} s",
                    NAME_BLOCKED.as_secs()
                ));
                tokio::time::sleep(NAME_BLOCKED).await;
            }
            Err(Stopped::Stack(error)) => return Err(error.into()),
            Err(Stopped::Other(failure)) => return Err(failure),
            Ok(outputs) => return Ok(outputs),
        }
    }
}

/// Confirms and executes a plan; discards it if it isn't executed to its end.
async fn attempt(
    aws: &Aws<'_>,
    wanted: &[Desired],
    args: &args::Deploy,
    lock: &mut Option<Lock>,
    progress: &Progress,
) -> Result<cfn::Outputs, Stopped> {
    let plans = aws.plans(wanted, progress).await?;
    if let Err(refused) = agree(aws.site, &plans, args, progress) {
        aws.discard(&plans).await;
        return Err(Stopped::Other(refused));
    }
    if lock.is_none() {
        match aws.site.lock("deploy", progress).await {
            Ok(taken) => *lock = Some(taken),
            Err(error) => {
                aws.discard(&plans).await;
                return Err(Stopped::Other(error));
            }
        }
    }
    let outputs = execute(aws, &plans, progress).await;
    if outputs.is_err() {
        aws.discard(&plans).await;
    }
    outputs
}

fn agree(
    site: &DeployContext,
    plans: &[cfn::Plan],
    args: &args::Deploy,
    progress: &Progress,
) -> Result<(), Failure> {
    let steps: Vec<Step> = plans.iter().cloned().map(Step::CloudFormation).collect();
    if let Some(held) = plans.iter().find_map(|plan| plan.may_be_cleared().err()) {
        progress.finish();
        eprint!("{}", Plans::of(site, steps));
        return Err(held.into());
    }
    plans::show(site, steps, args.yes, progress)
}

enum Stopped {
    Stack(cfn::Error),
    Other(Failure),
}

impl From<cfn::Error> for Stopped {
    fn from(error: cfn::Error) -> Self {
        Self::Stack(error)
    }
}

async fn execute(
    aws: &Aws<'_>,
    plans: &[cfn::Plan],
    progress: &Progress,
) -> Result<cfn::Outputs, Stopped> {
    let mut outputs = cfn::Outputs::default();
    for (number, plan) in plans.iter().enumerate() {
        // The first stack has the bucket for the code of the second one.
        if number == 1 {
            progress.now("uploading the functions' code");
            aws.upload().await.map_err(Stopped::Other)?;
        }
        outputs = aws.execute(plan, progress).await?;
    }
    Ok(outputs)
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
