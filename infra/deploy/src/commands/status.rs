//! `cargo xtask status`: both clouds side by side.

use std::fmt;

use cli::{Failure, Progress};
use futures::future::join;
use infra::Checkout;
use serde::Serialize;

use super::cloud_status::CloudStatus;
use super::components::{AWS, GOOGLE};
use super::report;
use super::site::DeployContext;

/// Both clouds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Status {
    pub(super) environment: String,
    pub(super) target: String,
    pub(super) aws: CloudStatus,
    pub(super) gcp: CloudStatus,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.environment, self.target)?;
        write_side_by_side(f, rows(&self.aws, &self.gcp))?;
        for (cloud, status) in [("AWS", &self.aws), ("Google Cloud", &self.gcp)] {
            status.problems.iter().try_for_each(|problem| writeln!(f, "{cloud}: {problem}"))?;
        }
        Ok(())
    }
}

/// A label, and what AWS and Google Cloud have under it, line by line.
pub type Row = (&'static str, Vec<String>, Vec<String>);

/// Writes rows as a table with a column for each cloud.
pub fn write_side_by_side(f: &mut fmt::Formatter<'_>, rows: Vec<Row>) -> fmt::Result {
    let heading = ("", vec!["AWS".to_owned()], vec!["Google Cloud".to_owned()]);
    let rows: Vec<Row> = [heading].into_iter().chain(rows).collect();
    let cells = rows.iter().flat_map(|(_, aws, _)| aws);
    let width = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
    for (label, aws, gcp) in rows {
        for line in 0..aws.len().max(gcp.len()) {
            let cell = |cells: &[String]| cells.get(line).cloned().unwrap_or_default();
            let label = if line == 0 { label } else { "" };
            let row = format!("{label:<13} {:<width$}  {}", cell(&aws), cell(&gcp));
            writeln!(f, "{}", row.trim_end())?;
        }
    }
    Ok(())
}

/// A number that may not be known.
#[must_use]
pub fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "not known".to_owned(), |n| n.to_string())
}

fn rows(aws: &CloudStatus, gcp: &CloudStatus) -> Vec<Row> {
    let row = |label, cells: fn(&CloudStatus) -> Vec<String>| (label, cells(aws), cells(gcp));
    let numbers = |label, aws, gcp| (label, vec![number(aws)], vec![number(gcp)]);
    vec![
        row("stack", |cloud| {
            vec![cloud.stack.clone().unwrap_or_else(|| "not deployed".to_owned())]
        }),
        row("functions", |cloud| cloud.functions.clone()),
        row("replicate", |cloud| cloud.replicate.iter().cloned().collect()),
        numbers("queue", aws.queue_depth, gcp.queue_depth),
        numbers("dead letters", aws.dead_letters, gcp.dead_letters),
        row("last candle", |cloud| cloud.last_candles.iter().map(ToString::to_string).collect()),
        row("drift", |cloud| {
            vec![match cloud.drift {
                None => "not known".to_owned(),
                Some(0) => "none".to_owned(),
                Some(n) => format!("{n} resources (`cargo xtask drift`)"),
            }]
        }),
    ]
}

pub(super) async fn run(args: &args::Status, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    let progress = Progress::default();
    let status = of(&site, &progress).await;
    progress.finish();
    report::print(&status, args.json)
}

async fn of(site: &DeployContext, progress: &Progress) -> Status {
    progress.now("asking both clouds");
    let [aws, gcp] = both(site, Some(progress)).await;
    Status {
        environment: site.settings.project.environment.clone(),
        target: site.target().to_string(),
        aws,
        gcp,
    }
}

/// AWS and Google Cloud without what takes long to find out: candles and drift.
pub async fn basics(site: &DeployContext) -> [CloudStatus; 2] {
    both(site, None).await
}

/// With a `progress`, all of it.
async fn both(site: &DeployContext, progress: Option<&Progress>) -> [CloudStatus; 2] {
    join(AWS.status(site, progress), GOOGLE.status(site, progress)).await.into()
}

#[cfg(test)]
mod tests {
    use super::super::cloud_status::NO_PEER;
    use super::*;

    #[test]
    fn a_function_without_a_peer_has_a_row() {
        let aws = CloudStatus { replicate: Some(NO_PEER.to_owned()), ..CloudStatus::default() };
        let status = Status {
            environment: "dev".to_owned(),
            target: "cloud".to_owned(),
            aws,
            gcp: CloudStatus::default(),
        };
        assert!(status.to_string().contains("\nreplicate     no peer"), "{status}");
    }
}
