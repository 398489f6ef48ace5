//! `cargo xtask sync start` and `stop`: the schedules by which each cloud copies from the other.
//!
//! A paused schedule is drift: the next deploy sets it as `aws.replicate.paused` and `gcp.replicate.paused`
//! say.

mod scheduler;

use std::fmt;

use anyhow::anyhow;
use args::{CloudId, Part, Place};
use aws_sdk_eventbridge::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::RuleState;
use cli::Failure;
use deploy::commands::{DeployContext, print};
use deploy::google::{self, Run};
use deploy::local::run::{Job, JobState};
use futures::future::join;
use infra::Checkout;
use serde::Serialize;

use scheduler::Scheduler;

/// The wanted state of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Desired {
    Running,
    Paused,
}

/// The current state of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Schedule {
    pub(super) name: String,
    /// The interval in the cloud's notation, such as `rate(1 minute)`.
    pub(super) every: String,
    pub(crate) paused: bool,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { every, paused, .. } = self;
        if *paused { write!(f, "paused ({every})") } else { f.write_str(every) }
    }
}

/// Both schedules.
#[derive(Serialize)]
struct Both {
    aws: Of,
    gcp: Of,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Of {
    There(Schedule),
    Not { problem: String },
}

impl fmt::Display for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (cloud, of) in [(CloudId::Aws, &self.aws), (CloudId::Gcp, &self.gcp)] {
            match of {
                Of::There(schedule) => writeln!(f, "{cloud}: {} is {schedule}", schedule.name)?,
                Of::Not { problem } => writeln!(f, "{cloud}: {problem}")?,
            }
        }
        Ok(())
    }
}

/// Resumes or pauses both schedules; for another region, AWS's alone. An unreachable cloud does not hold up the
/// other one.
pub(super) async fn set(
    place: &Place,
    json: bool,
    checkout: &Checkout,
    wanted: Desired,
) -> Result<(), Failure> {
    let site = DeployContext::open(place, checkout)?;
    let of = |found: Result<Schedule, Failure>| match found {
        Ok(schedule) => Of::There(schedule),
        Err(failure) => Of::Not { problem: failure.to_string() },
    };
    // Google's schedule serves all regions, so one region must not pause it.
    let googles = site.is_home().then_some(wanted);
    let (aws, gcp) = join(aws(&site, Some(wanted)), gcp(&site, googles)).await;
    let both = Both { aws: of(aws), gcp: of(gcp) };
    print(&both, json)?;
    match (&both.aws, &both.gcp) {
        (Of::There(_), Of::There(_)) => Ok(()),
        _ => Err(Failure::CheckFailed),
    }
}

/// The state of the rule on AWS, after applying the wanted one.
pub(super) async fn aws(
    site: &DeployContext,
    wanted: Option<Desired>,
) -> Result<Schedule, Failure> {
    let outputs = site.outputs(Part::Aws)?;
    let name = outputs.get("ReplicateRuleName").ok_or_else(|| none("aws.replicate.enabled"))?;
    let client = aws_sdk_eventbridge::Client::new(&site.aws_config().await);
    match wanted {
        Some(Desired::Running) => {
            client.enable_rule().name(name).send().await.map_err(|e| failed(name, &e))?;
        }
        Some(Desired::Paused) => {
            client.disable_rule().name(name).send().await.map_err(|e| failed(name, &e))?;
        }
        None => {}
    }
    let rule = client.describe_rule().name(name).send().await.map_err(|e| failed(name, &e))?;
    Ok(Schedule {
        name: name.clone(),
        every: rule.schedule_expression.unwrap_or_default(),
        paused: rule.state == Some(RuleState::Disabled),
    })
}

fn failed<E>(
    name: &str,
    error: &SdkError<E, aws_sdk_eventbridge::config::http::HttpResponse>,
) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Failure::Failed(anyhow!("rule {name}: {}", DisplayErrorContext(error)))
}

fn none(setting: &str) -> Failure {
    Failure::missing(anyhow!("nothing copies here: see {setting}, then deploy"))
}

/// The state of the job on Google Cloud, after applying the wanted one.
pub(crate) async fn gcp(
    site: &DeployContext,
    wanted: Option<Desired>,
) -> Result<Schedule, Failure> {
    let name = google::replicate_name(&site.settings);
    let Some(local) = &site.local else {
        let gcp = &site.settings.gcp;
        let scheduler = Scheduler::new(&gcp.project, &gcp.region, &name)?;
        return scheduler.set(wanted).await;
    };
    let run = Run::new(&local.run_endpoint)?;
    let Some(job) = run.job(&name).await? else { return Err(none("gcp.replicate")) };
    let job = match wanted {
        None => job,
        Some(wanted) => {
            let job = Job { paused: wanted == Desired::Paused, ..Job::from(&job) };
            run.put_job(&name, &job).await?
        }
    };
    let JobState { name, every_s, paused, .. } = job;
    Ok(Schedule { name, every: format!("every {every_s} s"), paused })
}
