//! `cargo xtask deploy`: plan, apply, outputs, smoke test.

use std::fmt;

use args::Part;
use serde::Serialize;

use super::failure::Failure;
use super::gather::{Unreadable, gather};
use super::known::{self, Outputs};
use super::plan::{self, Plans, Step};
use super::site::{Checkout, Site};
use super::{ask, aws::Aws, code_only, gcp, report, terraform};
use crate::cloudformation as cfn;
use crate::progress::Progress;
use crate::smoke;

/// What a deploy gave.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deployed {
    pub(super) part: String,
    pub(super) outputs: Outputs,
    /// None where there is nothing to send a trade through yet.
    pub(super) smoke: Option<smoke::Passed>,
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
                )
            }
            None => writeln!(f, "{} is deployed", self.part),
        }
    }
}

pub(super) async fn run(args: &args::Deploy, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let progress = Progress::default();
    if args.code_only {
        let deployed = code_only::run(&site, args.part, &progress).await?;
        progress.finish();
        return report::print(&deployed, args.json);
    }
    let unreadable = if args.dry_run { Unreadable::LeftOut } else { Unreadable::Refused };
    gather(&site, unreadable, &progress).await?;
    if args.dry_run {
        let mut steps = Vec::new();
        for part in site.parts(args.part)? {
            steps.extend(plan::of(&site, *part, &progress).await?);
        }
        progress.finish();
        return report::print(&Plans::of(&site, steps), args.json);
    }
    let mut all = Vec::new();
    for part in site.parts(args.part)? {
        let deployed = match part {
            Part::Gcp => gcp::deploy(&site, args, &progress).await?,
            Part::Foundation => terraform::deploy_foundation(&site, args, &progress).await?,
            Part::Aws | Part::All => aws(&site, args, &progress).await?,
        };
        progress.finish();
        known::render(&site, &known::known(&site)?)?;
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
    let outputs = aws.outputs(&stack);
    known::write(site, Part::Aws, &outputs)?;
    let smoke = aws.smoke(&stack, progress).await?;
    Ok(Deployed { part: Part::Aws.to_string(), outputs, smoke: Some(smoke) })
}

/// Both stacks. Another deploy that comes in between is an error where a person has agreed to a plan
/// that is now out of date; where nobody is asked, the plan is made anew.
async fn apply(
    aws: &Aws<'_>,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<cfn::Outputs, Failure> {
    let wanted = aws.wanted(&known::known(aws.site)?)?;
    let mut round = 1;
    loop {
        let plans = match aws.plans(&wanted, progress).await {
            Err(cfn::Error::Overtaken { .. }) if args.yes && round < cfn::ROUNDS => {
                round += 1;
                continue;
            }
            plans => plans?,
        };
        if let Err(refused) = agree(aws.site, &plans, args, progress) {
            aws.discard(&plans).await;
            return Err(refused);
        }
        match execute(aws, &plans, progress).await {
            Err(Stopped::Stack(cfn::Error::Overtaken { .. }))
                if args.yes && round < cfn::ROUNDS =>
            {
                round += 1;
            }
            Err(Stopped::Stack(error)) => return Err(error.into()),
            Err(Stopped::Other(failure)) => return Err(failure),
            Ok(outputs) => return Ok(outputs),
        }
    }
}

fn agree(
    site: &Site,
    plans: &[cfn::Plan],
    args: &args::Deploy,
    progress: &Progress,
) -> Result<(), Failure> {
    show(site, plans.iter().cloned().map(Step::CloudFormation).collect(), args.yes, progress)
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
    if plans.changes == 0 { Ok(()) } else { ask::apply(yes) }
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
