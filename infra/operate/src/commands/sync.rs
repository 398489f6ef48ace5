//! `cargo xtask sync status` and `monitor`: both clouds side by side.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use anyhow::Context as _;
use candle::{Hour, IdRanges, Interval, Symbol, Symbols};
use cli::Failure;
use cli::Progress;
use deploy::commands::{
    CloudStatus, DeployContext, Row, basics, now_ms, number, print, write_side_by_side,
};
use futures::future::join;
use infra::Checkout;
use pipeline::ports::{Archive, CandleStore};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::schedule::{self, Schedule};
use super::{clouds, failover, produce};
use crate::Cloud;
use crate::lag::{Lag, lag, latest_hour};

/// The most holes to list with their ids.
const GAPS_SHOWN: usize = 3;
/// Hours before the latest one with trades that are compared for the lag.
const HOURS_BACK: u64 = 1;
const HOUR_MS: u64 = 3_600_000;

/// Both clouds.
#[derive(Serialize)]
struct Status {
    environment: String,
    target: String,
    /// The time of the status, in RFC 3339.
    at: String,
    /// The producer on this machine, if one runs.
    producer: Option<Producer>,
    aws: Side,
    gcp: Side,
}

/// A producer's own status.
#[derive(Serialize)]
struct Producer {
    pid: u32,
    policy: String,
    /// The epoch of its messages.
    epoch: u64,
    /// The reason for its route.
    why: String,
    /// The reason why it publishes nothing, if so.
    fenced: Option<String>,
    messages_waiting: u64,
    accepted_trades_per_s: u64,
}

impl Producer {
    fn of(status: &producer::status::Status) -> Self {
        Self {
            pid: status.pid,
            policy: status.policy.clone(),
            epoch: status.epoch,
            why: status.route.why.clone(),
            fenced: status.fenced.clone(),
            messages_waiting: status.spool.messages_waiting,
            accepted_trades_per_s: status.totals.accepted_trades_per_s,
        }
    }
}

/// The latest routing override in a cloud's store.
#[derive(Serialize)]
struct LatestOverride {
    epoch: u64,
    to: Option<String>,
    by: String,
}

/// The producer's route in a cloud.
#[derive(Serialize)]
struct Route {
    /// Its targets in this cloud that get messages.
    publish: Vec<String>,
    /// The health of each target, such as `healthy`.
    health: Vec<String>,
}

impl Route {
    fn of(status: &producer::status::Status, cloud: &str) -> Self {
        let here = |name: &&String| name.split('-').next() == Some(cloud);
        let targets = status.targets.iter().filter(|target| here(&&target.name));
        Self {
            publish: status.route.publish.iter().filter(here).cloned().collect(),
            health: targets.map(|target| format!("{:?}", target.health).to_lowercase()).collect(),
        }
    }
}

/// One cloud. A value that could not be read is `None`, with the reason in `problems`.
#[derive(Default, Serialize)]
struct Side {
    #[serde(flatten)]
    cloud: CloudStatus,
    /// `None`: none was ever set, or the store could not be read.
    order: Option<LatestOverride>,
    /// `None`: no producer runs on this machine.
    route: Option<Route>,
    schedule: Option<Schedule>,
    symbols: Vec<Held>,
    lag: Option<Lag>,
}

/// The trades of a symbol in a cloud's candles.
#[derive(Serialize)]
struct Held {
    symbol: String,
    last_trade_id: Option<u64>,
    trades: u64,
    /// Ids between the first and the last that are in no candle.
    missing: u64,
    /// The first holes, as `FIRST-LAST`.
    gaps: Vec<String>,
}

impl Held {
    fn of(symbol: &Symbol, ids: &IdRanges) -> Self {
        Self {
            symbol: symbol.to_string(),
            last_trade_id: ids.last(),
            trades: ids.count(),
            missing: ids.gaps().map(|gap| gap.end() - gap.start() + 1).sum(),
            gaps: ids
                .gaps()
                .take(GAPS_SHOWN)
                .map(|g| format!("{}-{}", g.start(), g.end()))
                .collect(),
        }
    }
}

pub(super) async fn status(args: &args::SyncPlace, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    let progress = Progress::default();
    progress.now("asking both clouds");
    let status = Box::pin(look(&site)).await;
    progress.finish();
    print(&status?, args.json)
}

/// Shows the status repeatedly until Ctrl-C.
pub(super) async fn monitor(args: &args::SyncMonitor, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.at.place, checkout)?;
    let mut ticks = interval(Duration::from_secs(args.every.into()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let status = Box::pin(look(&site)).await?;
        let mut out = stdout().lock();
        if args.at.json {
            writeln!(out, "{}", serde_json::to_string(&status)?)?;
        } else if out.is_terminal() {
            // Overwrites the old text from the top, then clears the rest: no flicker.
            let text = status.to_string().replace('\n', "\x1b[K\n");
            write!(out, "\x1b[H{text}\x1b[J")?;
        } else {
            writeln!(out, "{status}")?;
        }
        out.flush()?;
    }
}

async fn look(site: &DeployContext) -> Result<Status, Failure> {
    let [aws, gcp] = basics(site).await;
    let mut aws = Side { cloud: aws, ..Side::default() };
    let mut gcp = Side { cloud: gcp, ..Side::default() };
    let (of_aws, of_gcp) = Box::pin(join(
        aws.find(clouds::aws(site), schedule::aws(site, None)),
        gcp.find(clouds::gcp(site), schedule::gcp(site, None)),
    ))
    .await;
    let [(_, register_aws), (_, register_gcp)] = failover::registers(site).await;
    join(aws.read_order(&register_aws), gcp.read_order(&register_gcp)).await;
    let scope = Scope::of(site)?;
    let status = producer::status::Status::read(&produce::status(site)).ok();
    let status = status.filter(|status| status.is_current(scope.now_ms.saturating_mul(1_000)));
    aws.route = status.as_ref().map(|status| Route::of(status, "aws"));
    gcp.route = status.as_ref().map(|status| Route::of(status, "gcp"));
    let (latest_aws, latest_gcp) = join(
        aws.read(of_aws.as_ref().map(|ports| &ports.cloud), &scope),
        gcp.read(of_gcp.as_ref().map(|ports| &ports.cloud), &scope),
    )
    .await;
    if let (Some(of_aws), Some(of_gcp), Some(latest)) =
        (&of_aws, &of_gcp, latest_aws.max(latest_gcp))
    {
        let since = Hour::at(latest.start_ms().saturating_sub(HOURS_BACK * HOUR_MS));
        let (of_aws, of_gcp) = (&of_aws.cloud.archive, &of_gcp.cloud.archive);
        let (lag_aws, lag_gcp) = Box::pin(join(
            lag(of_aws, of_gcp, &scope.symbols, since, scope.now_ms),
            lag(of_gcp, of_aws, &scope.symbols, since, scope.now_ms),
        ))
        .await;
        aws.lag = aws.cloud.take(lag_aws.map_err(Failure::from));
        gcp.lag = gcp.cloud.take(lag_gcp.map_err(Failure::from));
    }
    let at_ms = i64::try_from(scope.now_ms).unwrap_or(i64::MAX);
    Ok(Status {
        environment: site.settings.project.environment.clone(),
        target: site.target().to_string(),
        at: jiff::Timestamp::from_millisecond(at_ms)?.to_string(),
        producer: status.as_ref().map(Producer::of),
        aws,
        gcp,
    })
}

/// The scope of a status, and its time.
struct Scope {
    symbols: Symbols,
    longest: Interval,
    now_ms: u64,
}

impl Scope {
    fn of(site: &DeployContext) -> Result<Self, Failure> {
        let longest = site.intervals()?.pop().context("find an interval in trading.intervals")?;
        Ok(Self { symbols: clouds::symbols(site)?, longest, now_ms: now_ms() })
    }
}

impl Side {
    /// The ports, if the cloud is deployed, and the state of its schedule.
    async fn find<P>(
        &mut self,
        ports: impl Future<Output = Result<P, Failure>>,
        schedule: impl Future<Output = Result<Schedule, Failure>>,
    ) -> Option<P> {
        self.cloud.stack.as_ref()?;
        let (ports, schedule) = join(ports, schedule).await;
        self.schedule = self.cloud.take(schedule);
        self.cloud.take(ports)
    }

    async fn read_order<R: OverrideStore>(&mut self, register: &R) {
        if self.cloud.stack.is_none() {
            return;
        }
        let order = self.cloud.take(register.read().await.map_err(Failure::from)).flatten();
        self.order =
            order.map(|RoutingOverride { epoch, to, by, .. }| LatestOverride { epoch, to, by });
    }

    /// Reads the trades in its candles, and the latest hour of its archive.
    async fn read<A: Archive, S: CandleStore>(
        &mut self,
        cloud: Option<&Cloud<A, S>>,
        scope: &Scope,
    ) -> Option<Hour> {
        let Cloud { archive, store } = cloud?;
        let mut latest = None;
        for symbol in scope.symbols.iter() {
            let candles = store.scan(symbol, scope.longest).await.map_err(Failure::from);
            let candles = self.cloud.take(candles)?;
            let ids = candles.iter().fold(IdRanges::new(), |ids, candle| ids.union(candle.ids()));
            self.symbols.push(Held::of(symbol, &ids));
            let Some(open_ms) = candles.last().map(|candle| candle.key().open_time_ms) else {
                continue;
            };
            let end_ms = open_ms.saturating_add(scope.longest.duration_ms() - 1);
            let hours = Hour::at(open_ms)..=Hour::at(end_ms.min(scope.now_ms).max(open_ms));
            let hour = latest_hour(archive, symbol, hours).await.map_err(Failure::from);
            latest = latest.max(self.cloud.take(hour)?);
        }
        latest
    }

    fn row(&self, symbol: &str, what: fn(&Held) -> String) -> Vec<String> {
        let held = self.symbols.iter().filter(|held| held.symbol == symbol);
        held.map(what).collect()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, target, at, producer, aws, gcp } = self;
        writeln!(f, "{environment} on {target}, {at}")?;
        let row = |label, cell: fn(&Side) -> String| (label, vec![cell(aws)], vec![cell(gcp)]);
        let mut rows: Vec<Row> = vec![
            row("stack", |side| {
                side.cloud.stack.clone().unwrap_or_else(|| "not deployed".to_owned())
            }),
            row("health", |side| {
                side.route.as_ref().map_or_else(no_producer, |r| r.health.join(" "))
            }),
            row("route", |side| match &side.route {
                None => no_producer(),
                Some(Route { publish, .. }) if publish.is_empty() => "standby".to_owned(),
                Some(Route { publish, .. }) => format!("publishes to {}", publish.join(" ")),
            }),
            row("order", |side| match &side.order {
                None => "none".to_owned(),
                Some(LatestOverride { epoch, to, by }) => {
                    format!("{epoch}: to {} by {by}", to.as_deref().unwrap_or("auto"))
                }
            }),
            row("copies", |side| {
                side.schedule.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string)
            }),
            row("lag", |side| match &side.lag {
                None => "not known".to_owned(),
                Some(Lag { objects: 0, .. }) => "none".to_owned(),
                Some(Lag { objects, lag_ms }) => {
                    format!("{} s, {objects} objects", lag_ms / 1000)
                }
            }),
            row("queue", |side| number(side.cloud.queue_depth)),
            row("dead letters", |side| number(side.cloud.dead_letters)),
        ];
        let symbols = aws.symbols.iter().chain(&gcp.symbols).map(|held| held.symbol.as_str());
        for symbol in symbols.collect::<BTreeSet<_>>() {
            let both = |what: fn(&Held) -> String| (aws.row(symbol, what), gcp.row(symbol, what));
            for (label, (aws, gcp)) in [
                ("symbol", both(|held| held.symbol.clone())),
                ("  last trade", both(|held| number_or_none(held.last_trade_id))),
                ("  trades", both(|held| held.trades.to_string())),
                ("  gaps", both(gaps)),
            ] {
                rows.push((label, aws, gcp));
            }
        }
        write_side_by_side(f, rows)?;
        if let Some(Producer { pid, policy, epoch, why, fenced, messages_waiting, .. }) = producer {
            writeln!(
                f,
                "producer {pid}: {policy}, epoch {epoch}, {why}; {messages_waiting} messages wait"
            )?;
            fenced
                .iter()
                .try_for_each(|why| writeln!(f, "producer {pid} publishes nothing: {why}"))?;
        }
        for (cloud, side) in [("AWS", aws), ("Google Cloud", gcp)] {
            side.cloud.problems.iter().try_for_each(|problem| writeln!(f, "{cloud}: {problem}"))?;
        }
        Ok(())
    }
}

fn no_producer() -> String {
    "no producer here".to_owned()
}

fn number_or_none(id: Option<u64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

/// `12 trades: 5-9 20-26`.
fn gaps(held: &Held) -> String {
    match held.missing {
        0 => "none".to_owned(),
        missing => format!("{missing} trades: {}", held.gaps.join(" ")),
    }
}
