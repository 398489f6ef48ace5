//! `cargo xtask deploy`: plan, apply, outputs, smoke test.

use std::fmt;
use std::time::Duration;

use args::Part;
use serde::Serialize;

use super::connect::{self, Connections};
use super::gather::{Unreadable, gather};
use super::known::{self, Outputs};
use super::plan::{self, Plans, Step};
use super::site::Site;
use super::{ask, aws::Aws, aws::Wanted, code_only, gcp, report, terraform};
use crate::cloudformation as cfn;
use crate::lock::Lock;
use crate::smoke;
use cli::Failure;
use cli::Progress;
use infra::Checkout;

/// What a deploy gave.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deployed {
    pub(super) part: String,
    pub(super) outputs: Outputs,
    /// None where there is nothing to send a trade through yet.
    pub(super) smoke: Option<smoke::Passed>,
    #[serde(flatten)]
    connections: Connections,
}

impl Deployed {
    pub(super) fn new(part: Part, outputs: Outputs, smoke: Option<smoke::Passed>) -> Self {
        Self { part: part.to_string(), outputs, smoke, connections: Connections::default() }
    }
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.outputs {
            writeln!(f, "{name} = {value}")?;
        }
        match &self.smoke {
            Some(passed) => {
                writeln!(
                    f,
                    "{} is deployed: a trade came through in {} ms",
                    self.part, passed.took_ms
                )?;
            }
            None => writeln!(f, "{} is deployed", self.part)?,
        }
        self.connections.fmt(f)
    }
}

pub(super) async fn run(args: &args::Deploy, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    Box::pin(of(&site, args, &Progress::default())).await
}

async fn of(site: &Site, args: &args::Deploy, progress: &Progress) -> Result<(), Failure> {
    if args.code_only {
        let deployed = code_only::run(site, args.part, progress).await?;
        progress.finish();
        return report::print(&deployed, args.json);
    }
    if args.dry_run {
        let plans = plan::of_all(site, args.part, progress).await?;
        progress.finish();
        return report::print(&plans, args.json);
    }
    gather(site, Unreadable::Refused, progress).await?;
    let mut all = Vec::new();
    for part in site.parts(args.part)? {
        let mut deployed = match part {
            Part::Gcp => gcp::deploy(site, args, progress).await?,
            Part::Foundation => terraform::deploy_foundation(site, args, progress).await?,
            Part::Aws | Part::All => aws(site, args, progress).await?,
        };
        progress.finish();
        known::render(site, &known::known(site)?)?;
        deployed.connections = connect::of(site)?;
        if !args.json {
            print!("{deployed}");
        }
        all.push(deployed);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}

async fn aws(site: &Site, args: &args::Deploy, progress: &Progress) -> Result<Deployed, Failure> {
    let aws = Aws::open(site).await?;
    let stack = apply(&aws, args, progress).await?;
    protect(&aws, progress).await?;
    if let Some(note) = aws.few_invocations().await {
        progress.note(format!("note: {note}"));
    }
    let outputs = aws.outputs(&cfn::deployed(&aws.client, &aws.stack()).await?);
    known::write(site, Part::Aws, &outputs)?;
    let smoke = aws.smoke(&stack, progress).await?;
    Ok(Deployed::new(Part::Aws, outputs, Some(smoke)))
}

/// The stacks of a protected environment aren't deleted by one call: `destroy` takes this off, once their name was given.
async fn protect(aws: &Aws<'_>, progress: &Progress) -> Result<(), Failure> {
    protect_stack(aws, &aws.stack()).await?;
    // A workflow's role may not set the protection of the stack that an administrator made: the same right removes it.
    if let Err(error) = protect_stack(aws, &aws.bootstrap()).await {
        progress.note(format!("note: {error}; `cargo xtask deploy foundation` does it"));
    }
    Ok(())
}

/// Protects a stack from deletion if the environment is protected and the stack isn't yet.
pub(super) async fn protect_stack(aws: &Aws<'_>, stack: &str) -> Result<(), cfn::Error> {
    if !aws.site.is_protected() || cfn::deployed(&aws.client, stack).await?.is_protected {
        return Ok(());
    }
    cfn::protect(&aws.client, stack, true).await
}

/// SQS gives a queue's name out again a minute after its queue was deleted, such as by a destroy.
const NAME_BLOCKED: Duration = Duration::from_secs(65);
const NAME_TRIES: u32 = 3;

fn is_name_blocked(error: &cfn::Error) -> bool {
    let words = ["QueueDeletedRecently", "60 seconds after deleting a queue"];
    matches!(error, cfn::Error::Failed { reason, .. } if words.iter().any(|word| reason.contains(word)))
}

/// Both stacks. Another deploy that comes in between is an error where a plan was agreed to that is now out of date;
/// with `--yes`, the plan is made anew. One command of a checkout at a time: while a question is open, others may go on.
async fn apply(
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

/// A plan, agreed to and executed. Of one that isn't executed to its end nothing stays.
async fn attempt(
    aws: &Aws<'_>,
    wanted: &[Wanted],
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
    site: &Site,
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
    show(site, steps, args.yes, progress)
}

/// Shows what will change, and asks. Nothing to change is nothing to ask.
pub(super) fn show(
    site: &Site,
    steps: Vec<Step>,
    yes: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let plans = Plans::of(site, steps);
    progress.finish();
    eprint!("{plans}");
    if plans.changes == 0 { Ok(()) } else { ask::apply(&plans.clouds, yes) }
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
        // The first one makes the bucket that the code of the second one is in.
        if number == 1 {
            progress.now("uploading the functions' code");
            aws.upload().await.map_err(Stopped::Other)?;
        }
        outputs = aws.execute(plan, progress).await?;
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests;
