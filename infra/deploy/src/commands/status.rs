//! `cargo xtask status`: both clouds side by side.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use args::Part;
use aws_sdk_sqs::types::QueueAttributeName;
use candle::Symbol;
use futures::future::join;
use pipeline::ports::CandleStore;
use serde::Serialize;

use super::site::Site;
use super::{aws::Aws, aws::LIVE, drift, gcp, report};
use crate::aws::in_words;
use crate::cloudformation as cfn;
use crate::versions::Function;
use cli::Failure;
use cli::Progress;
use infra::Checkout;

/// Both clouds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Status {
    pub(super) environment: String,
    pub(super) target: String,
    pub(super) aws: CloudStatus,
    pub(super) gcp: CloudStatus,
}

/// One cloud. What can't be told is none.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CloudStatus {
    /// The stack's status in the engine's own words; none: not deployed.
    pub stack: Option<String>,
    /// The functions and their versions, `NAME VERSION`.
    pub functions: Vec<String>,
    /// The source of its copies, or that it was not told of anywhere; none where it doesn't copy, or where that can't be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicate: Option<String>,
    /// Messages in the queue, those under way counted.
    pub queue_depth: Option<u64>,
    /// Messages that could not be processed.
    pub dead_letters: Option<u64>,
    /// The newest trade that is in a candle, symbol by symbol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) last_candles: Vec<LastCandle>,
    /// Resources that were changed by hand.
    pub drift: Option<usize>,
    /// What could not be found out, and why.
    pub problems: Vec<String>,
}

/// The newest candle of a symbol, of the longest interval.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LastCandle {
    pub(super) symbol: String,
    pub(super) interval: String,
    /// When it opened, in RFC 3339.
    pub(super) opened: String,
    /// The greatest id of a trade in it.
    pub(super) last_trade_id: u64,
    /// Trades in it.
    pub(super) trades: u64,
}

impl fmt::Display for LastCandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symbol, interval, opened, last_trade_id, trades } = self;
        write!(f, "{symbol} {interval} {opened}, {trades} trades, the last is {last_trade_id}")
    }
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

impl CloudStatus {
    /// Takes what could be found out, and writes down what could not.
    pub fn take<T>(&mut self, found: Result<T, Failure>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(failure) => {
                self.problems.push(failure.to_string());
                None
            }
        }
    }
}

pub(super) async fn run(args: &args::Status, checkout: &Checkout) -> Result<(), Failure> {
    let site = Site::open(&args.place, checkout)?;
    let progress = Progress::default();
    let status = of(&site, &progress).await;
    progress.finish();
    report::print(&status, args.json)
}

async fn of(site: &Site, progress: &Progress) -> Status {
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
pub async fn basics(site: &Site) -> [CloudStatus; 2] {
    both(site, None).await
}

/// With a `progress`, all of it.
async fn both(site: &Site, progress: Option<&Progress>) -> [CloudStatus; 2] {
    join(Box::pin(aws(site, progress)), Box::pin(gcp::status(site, progress))).await.into()
}

async fn aws(site: &Site, progress: Option<&Progress>) -> CloudStatus {
    let mut status = CloudStatus::default();
    if let Err(failure) = fill_aws(site, &mut status, progress).await {
        status.take::<()>(Err(failure));
    }
    status
}

async fn fill_aws(
    site: &Site,
    status: &mut CloudStatus,
    progress: Option<&Progress>,
) -> Result<(), Failure> {
    let aws = Aws::open(site).await?;
    let deployed = match cfn::deployed(&aws.client, &aws.stack()).await {
        Ok(deployed) => deployed,
        Err(cfn::Error::NoStack { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    status.stack = Some(deployed.status.clone());
    let outputs = &deployed.outputs;
    status.functions = status.take(functions(&aws, outputs).await).unwrap_or_default();
    status.replicate = peer_of_stack(&deployed.parameters);
    status.problems.extend(aws.few_invocations().await);
    status.queue_depth = status.take(depth(&aws, outputs, "QueueUrl").await);
    status.dead_letters = status.take(depth(&aws, outputs, "DeadLetterQueueUrl").await);
    let Some(progress) = progress else { return Ok(()) };
    let ports = aws.ports(outputs)?;
    status.last_candles = status.take(last_candles(site, &ports.store).await).unwrap_or_default();
    status.drift =
        status.take(drift::of(site, Part::Aws, progress).await).map(|found| found.changes.len());
    Ok(())
}

/// The text shown for a function that was not told of the other cloud.
pub(super) const NO_PEER: &str = "no peer";

/// The archive of Google that the stack's replicate function copies from, by the stack's parameters.
fn peer_of_stack(parameters: &BTreeMap<String, String>) -> Option<String> {
    let get = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    if get("ReplicateEnabled") != "true" {
        return None;
    }
    let way_in = !get("PeerAudience").is_empty() || !get("PeerEndpoint").is_empty();
    Some(if way_in { format!("from gs://{}", get("PeerBucket")) } else { NO_PEER.to_owned() })
}

async fn functions(aws: &Aws<'_>, outputs: &cfn::Outputs) -> Result<Vec<String>, Failure> {
    let mut functions = Vec::new();
    let name = outputs.get("FunctionName")?;
    let live = Function::new(&aws.config, name).behind(LIVE).await?;
    let version =
        live.map_or_else(|| "no version".to_owned(), |live| format!("version {}", live.version));
    functions.push(format!("{name} {version}"));
    if let Some(name) = outputs.0.get("ReplicateFunctionName") {
        functions.push(name.clone());
    }
    Ok(functions)
}

async fn depth(aws: &Aws<'_>, outputs: &cfn::Outputs, queue: &str) -> Result<u64, Failure> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let url = outputs.get(queue)?;
    let answer = aws_sdk_sqs::Client::new(&aws.config)
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .map_err(|error| anyhow::anyhow!("read the depth of {url}: {}", in_words(&error)))?;
    let attributes = answer.attributes().context("read the depth of a queue: no attributes")?;
    Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
}

/// The newest candle of each symbol. Of the longest interval, of which there are few to read.
pub(super) async fn last_candles<S: CandleStore>(
    site: &Site,
    store: &S,
) -> Result<Vec<LastCandle>, Failure> {
    let Some(interval) = site.intervals()?.pop() else { return Ok(Vec::new()) };
    let mut last = Vec::new();
    for symbol in &site.settings.trading.symbols {
        let symbol = Symbol::parse(symbol).context("read trading.symbols")?;
        let candles = store.scan(&symbol, interval).await?;
        let Some(candle) = candles.last() else { continue };
        last.push(LastCandle {
            symbol: symbol.to_string(),
            interval: interval.to_string(),
            opened: time(candle.key().open_time_ms),
            last_trade_id: candle.last_trade_id(),
            trades: candle.ids().count(),
        });
    }
    Ok(last)
}

fn time(epoch_ms: u64) -> String {
    let ms = i64::try_from(epoch_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| epoch_ms.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_aws::stacks::Stacks;
    use crate::fake_aws::{Answer, FakeAws};

    #[test]
    fn a_function_without_a_way_in_has_no_peer() {
        let peer = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            peer_of_stack(&pairs.collect())
        };
        let told = [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerAudience", "")];
        assert_eq!(peer(&told).as_deref(), Some("no peer"));
        let told = [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerAudience", "//iam")];
        assert_eq!(peer(&told).as_deref(), Some("from gs://b"));
        let told =
            [("ReplicateEnabled", "true"), ("PeerBucket", "b"), ("PeerEndpoint", "http://a")];
        assert_eq!(peer(&told).as_deref(), Some("from gs://b"));
        assert_eq!(peer(&[("ReplicateEnabled", "false")]), None);

        let aws = CloudStatus { replicate: Some(NO_PEER.to_owned()), ..CloudStatus::default() };
        let status = Status {
            environment: "dev".to_owned(),
            target: "cloud".to_owned(),
            aws,
            gcp: CloudStatus::default(),
        };
        assert!(status.to_string().contains("\nreplicate     no peer"), "{status}");
    }

    #[tokio::test]
    async fn it_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stacks = Stacks::default();
        let outputs = ["FunctionName", "QueueUrl", "DeadLetterQueueUrl", "TableName"];
        stacks.add("blockchain-core-dev", "CREATE_COMPLETE").outputs =
            outputs.map(|name| (name.to_owned(), "it".to_owned())).to_vec();
        let stub = FakeAws::start(move |call| match call.action.as_str() {
            "DetectStackDrift" => {
                Answer::result(&call.action, "<StackDriftDetectionId>1</StackDriftDetectionId>")
            }
            "DescribeStackDriftDetectionStatus" => Answer::result(
                &call.action,
                "<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>",
            ),
            "DescribeStackResourceDrifts" => Answer::result(&call.action, "<StackResourceDrifts/>"),
            "GetQueueAttributes" => {
                Answer::ok(r#"{"Attributes":{"ApproximateNumberOfMessages":"7"}}"#)
            }
            "Query" => Answer::ok(r#"{"Items":[],"Count":0}"#),
            _ if call.service == "lambda" => Answer::ok(r#"{"FunctionVersion":"3"}"#),
            _ => stacks.answer(call),
        });
        let site = stub.site(folder.path(), "dev");
        let status = of(&site, &Progress::default()).await.aws;
        assert_eq!(status.problems, Vec::<String>::new());
        assert_eq!(status.functions, ["it version 3"]);
        let found = (status.queue_depth, status.dead_letters, status.drift);
        assert_eq!(found, (Some(7), Some(7), Some(0)));
        assert_eq!(stub.changes(), Vec::<String>::new());
    }
}
