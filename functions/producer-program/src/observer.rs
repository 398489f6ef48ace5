//! Turns the events of relay and source into log lines, the events file and the status.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use candle::message::Batch;
use candle::{IdRanges, Symbol};
use pipeline::health::State;
use tokio::sync::Notify;

use super::health::record::Health;
use crate::binance_ws::BinanceEvent;
use producer::Counts as Lines;
use producer::events::{Event, Log, now_us};
use producer::relay::RelayView;
use producer::status::{
    OverrideStatus, Phase, RouteStatus, SpoolStatus, Status, SymbolStatus, TargetStatus, Totals,
    VERSION,
};

/// Gaps that the status lists, of each symbol.
const GAPS_MAX: usize = 100;

/// The longest wait of messages of which no target accepts one; after it, the producer is unhealthy.
const STUCK: Duration = Duration::from_mins(1);

/// The part of a status that is constant for the run.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    pub(super) source: String,
    /// True if the source is a stream that needs a connection.
    pub(super) is_stream: bool,
    pub(super) policy: String,
    pub(super) spool_max_bytes: u64,
    pub(super) status: PathBuf,
}

/// Turns the events of relay and source into log lines, events and status.
pub(super) struct Observer {
    fixed: Fixed,
    started_at_us: u64,
    heard: Mutex<Heard>,
    /// Something happened that the status should say now.
    pub(super) news: Notify,
}

struct Heard {
    log: Option<Log>,
    phase: Phase,
    why: String,
    symbols: BTreeMap<Symbol, SymbolStatus>,
    /// Contents of the messages that no target has yet.
    waiting: BTreeMap<u64, Content>,
    targets: BTreeMap<String, Counts>,
    totals: Totals,
    /// The counts in the status that was written last.
    written: Option<(Instant, Totals, BTreeMap<String, u64>)>,
    /// Why the stream is not connected; none if it is, or if the source needs no connection.
    no_stream: Option<String>,
    /// The time without a trade when the stream was told to be quiet; none if trades come. Only a trade clears it.
    quiet: Option<Duration>,
    /// Why the spool accepts no messages.
    full: Option<String>,
    /// Why the status file can't be written.
    unwritable: Option<String>,
    /// When a target last accepted a message.
    accepted_at: Option<Instant>,
    /// When no message was waiting, or a target last accepted a waiting one; at first, when the health was first recorded.
    moved_at: Option<Instant>,
    /// The last record of the health, and its time.
    health: Option<(Instant, Health)>,
}

struct Content {
    symbol: Symbol,
    last_id: u64,
    trades: u64,
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    failed: u64,
    last_error: Option<String>,
}

impl Observer {
    pub(super) fn new(fixed: Fixed) -> Self {
        let heard = Heard {
            log: None,
            phase: Phase::Running,
            why: String::new(),
            symbols: BTreeMap::new(),
            waiting: BTreeMap::new(),
            targets: BTreeMap::new(),
            totals: Totals::default(),
            written: None,
            no_stream: fixed.is_stream.then(|| "it is not connected yet".to_owned()),
            quiet: None,
            full: None,
            unwritable: None,
            accepted_at: None,
            moved_at: None,
            health: None,
        };
        Self { fixed, started_at_us: now_us(), heard: Mutex::new(heard), news: Notify::new() }
    }

    /// Events are written to this file from now on.
    pub(super) fn log_to(&self, log: Log) {
        self.heard().log = Some(log);
    }

    /// Writes an event down.
    pub(super) fn log(&self, event: Event) {
        self.heard().log(event);
    }

    /// Says something to a person, too.
    fn say(&self, what: &str) {
        eprintln!("producer: {what}");
        self.news.notify_one();
    }

    /// A message that an earlier producer has left.
    pub(super) fn recovered(&self, sequence: u64, batch: &Batch, is_accepted: bool) {
        self.heard().spooled(Event::spooled(sequence, batch, true), is_accepted);
    }

    /// An event of the relay.
    pub(super) fn relay(&self, event: Event) {
        let mut heard = self.heard();
        let line = match &event {
            Event::Spooled { ids, .. } => {
                heard.full = None;
                heard.totals.spooled_messages += 1;
                heard.totals.spooled_trades += count(ids);
                return heard.spooled(event, false);
            }
            Event::Accepted { target, sequence, .. } => {
                heard.accepted(target, *sequence, Instant::now());
                None
            }
            Event::Unknown { target, why, .. } | Event::Refused { target, why, .. } => {
                heard.failed(target, why);
                None
            }
            Event::Health { target, state } => {
                let error = heard.targets.get(target).and_then(|counts| counts.last_error.clone());
                let error = error.filter(|_| matches!(state, State::Suspect | State::Down));
                let error = error.map(|error| format!(": {error}")).unwrap_or_default();
                Some(format!("{target} is {state}{error}"))
            }
            Event::IncarnationChanged { cloud, is_any } => {
                let again = if *is_any {
                    "the messages that only it had are published again"
                } else {
                    "it had no message alone"
                };
                Some(format!(
                    "{cloud} has another incarnation id, so it may have lost its data: {again}"
                ))
            }
            Event::Routed { publish, why, .. } if publish.is_empty() => {
                why.clone_into(&mut heard.why);
                Some(format!("nothing is published, messages wait in the spool: {why}"))
            }
            Event::Routed { publish, hedge, epoch, why } => {
                why.clone_into(&mut heard.why);
                let hedge = hedge.as_ref().map(|hedge| {
                    format!(", and to {hedge} the messages that no target has acknowledged")
                });
                let (names, hedge) = (publish.join(" and "), hedge.unwrap_or_default());
                Some(format!("publishing to {names}{hedge} (epoch {epoch}): {why}"))
            }
            Event::Full { why } => {
                heard.full = Some(why.clone());
                Some(why.clone())
            }
            // The program itself writes the others.
            _ => None,
        };
        heard.log(event);
        drop(heard);
        if let Some(line) = line {
            self.say(&line);
        }
    }

    pub(super) fn binance(&self, event: &BinanceEvent<'_>) {
        match event {
            BinanceEvent::Connected => {
                self.heard().no_stream = None;
                self.log(Event::Stream { connected: true, why: String::new() });
                self.say("connected to the stream");
            }
            BinanceEvent::Disconnected { why } => {
                self.heard().no_stream = Some(why.clone());
                self.log(Event::Stream { connected: false, why: why.clone() });
                self.say(&format!("disconnected from the stream: {why}"));
            }
            BinanceEvent::Quiet { lasting } => {
                let lasting_s = lasting.as_secs();
                self.heard().quiet = Some(*lasting);
                self.log(Event::Quiet { lasting_s });
                self.say(&format!("the stream has brought no trade for {lasting_s} s"));
            }
            BinanceEvent::Trading => {
                self.heard().quiet = None;
                self.log(Event::Trading);
                self.say("the stream brings trades again");
            }
            BinanceEvent::Filled { symbol, ids } => self.gap(symbol, ids, None),
            BinanceEvent::Missing { symbol, ids, why } => self.gap(symbol, ids, Some(why)),
            BinanceEvent::Settled { symbol, ids, why } => self.settled(symbol, ids, why),
            BinanceEvent::Bad { why } => self.say(&format!("passed over a frame: {why}")),
        }
    }

    fn gap(&self, symbol: &Symbol, ids: &IdRanges, why: Option<&str>) {
        let ranges = ids.pairs();
        let mut heard = self.heard();
        let gaps = &mut heard.symbols.entry(symbol.clone()).or_default().gaps;
        let known: IdRanges = gaps.iter().map(|&(first, last)| first..=last).collect();
        let known = if why.is_some() { known.union(ids) } else { known.difference(ids) };
        let surplus = known.ranges().len().saturating_sub(GAPS_MAX);
        *gaps = known.pairs().split_off(surplus);
        heard.log(Event::Gap {
            symbol: symbol.clone(),
            ids: ranges,
            filled: why.is_none(),
            why: why.unwrap_or_default().to_owned(),
        });
        drop(heard);
        match why {
            None => self.say(&format!("{symbol}: fetched what the stream left out, {ids}")),
            Some(why) => self.say(&format!("{symbol}: {ids} are missing: {why}")),
        }
    }

    fn settled(&self, symbol: &Symbol, ids: &IdRanges, why: &str) {
        let mut heard = self.heard();
        let status = heard.symbols.entry(symbol.clone()).or_default();
        let gaps: IdRanges = status.gaps.iter().map(|&(first, last)| first..=last).collect();
        status.gaps = gaps.difference(ids).pairs();
        let before = status.passed_over;
        status.passed_over = before.saturating_add(ids.count());
        // The first one, and each time that there are twice as many: a stream of futures has many placeholders.
        let is_news = before.checked_ilog2() < status.passed_over.checked_ilog2();
        let count = status.passed_over;
        let (symbol, pairs, reason) = (symbol.clone(), ids.pairs(), why.to_owned());
        heard.log(Event::PassedOver { symbol: symbol.clone(), ids: pairs, why: reason });
        drop(heard);
        if is_news {
            self.say(&format!("{symbol}: passed over {ids} ({count} ids so far): {why}"));
        }
    }

    /// A recording has come to its end, or to where it can't be read on.
    pub(super) fn read(&self, counts: &Lines) {
        if !counts.are_all_taken() {
            self.say(&format!("read {counts}"));
        }
        self.log(Event::Read(counts.clone()));
    }

    pub(super) fn end(&self, phase: Phase) {
        self.heard().phase = phase;
    }

    /// The producer's current status.
    pub(super) fn status(&self, view: RelayView) -> Status {
        let mut heard = self.heard();
        let now = Instant::now();
        let troubles = heard.look(view.waiting, now).troubles.clone();
        let accepted: BTreeMap<_, _> =
            heard.targets.iter().map(|(name, counts)| (name.clone(), counts.accepted)).collect();
        let totals = heard.totals;
        let before = heard.written.replace((now, totals, accepted));
        let (since, before, accepted_before) =
            before.unwrap_or_else(|| (now, Totals::default(), BTreeMap::new()));
        let passed_us = u64::try_from(now.duration_since(since).as_micros()).unwrap_or(u64::MAX);
        let per_s = |now: u64, before: u64| {
            (now.saturating_sub(before))
                .saturating_mul(1_000_000)
                .checked_div(passed_us)
                .unwrap_or(0)
        };
        let targets = view.targets.into_iter().map(|target| {
            let counts = heard.targets.get(&target.name);
            let accepted = counts.map_or(0, |counts| counts.accepted);
            let before = accepted_before.get(&target.name).copied().unwrap_or(0);
            TargetStatus {
                health: target.health,
                latency_us: target.latency_us,
                accepted_messages: accepted,
                accepted_messages_per_s: per_s(accepted, before),
                failed_messages: counts.map_or(0, |counts| counts.failed),
                last_error: counts.and_then(|counts| counts.last_error.clone()),
                name: target.name,
            }
        });
        Status {
            version: VERSION,
            pid: std::process::id(),
            started_at_us: self.started_at_us,
            updated_at_us: now_us(),
            phase: heard.phase,
            troubles,
            source: self.fixed.source.clone(),
            policy: self.fixed.policy.clone(),
            route: RouteStatus {
                publish: view.route.publish.iter().map(|(name, _)| name.clone()).collect(),
                hedge: view.route.hedge,
                standby: view.route.standby,
                why: heard.why.clone(),
                notes: view.route.notes,
            },
            epoch: view.order.as_ref().map_or(0, |order| order.epoch),
            order: view.order.map(|order| OverrideStatus {
                to: order.to,
                by: order.by,
                at_ms: order.at_ms,
            }),
            fenced: view.fenced.map(|fenced| fenced.to_string()),
            targets: targets.collect(),
            symbols: heard.symbols.clone(),
            spool: SpoolStatus {
                bytes: view.spool_bytes,
                max_bytes: self.fixed.spool_max_bytes,
                messages_waiting: view.waiting,
            },
            totals: Totals {
                spooled_trades_per_s: per_s(totals.spooled_trades, before.spooled_trades),
                accepted_trades_per_s: per_s(totals.accepted_trades, before.accepted_trades),
                ..totals
            },
        }
    }

    /// Replaces the status file. What is wrong with it stops no trade.
    pub(super) fn write_status(&self, view: RelayView) {
        let path = &self.fixed.status;
        let written = self.status(view).write(path);
        let unwritable =
            written.err().map(|error| format!("write the status {}: {error}", path.display()));
        if let Some(why) = &unwritable {
            eprintln!("producer: {why}");
        }
        self.heard().unwritable = unwritable;
    }

    /// The current health, from the last record.
    pub(super) fn health(&self) -> Health {
        Health::now(self.heard().health.clone(), Instant::now())
    }

    /// The time of the last record of the health.
    pub(super) fn seen_at(&self) -> Option<Instant> {
        self.heard().health.as_ref().map(|(at, _)| *at)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Without a file there is nothing to do; one that can't be written is given up, and trades go on.
    fn log(&mut self, event: Event) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(event)
        {
            eprintln!("producer: write the events: {error}; no more events are written");
            self.log = None;
        }
    }

    /// Takes in an event [`Event::Spooled`], and writes it.
    fn spooled(&mut self, event: Event, is_accepted: bool) {
        if let Event::Spooled { sequence, symbol, ids, .. } = &event {
            let last_id = ids.last().map_or(0, |(_, last)| *last);
            let status = self.symbols.entry(symbol.clone()).or_default();
            status.spooled_id = status.spooled_id.max(Some(last_id));
            if is_accepted {
                status.accepted_id = status.accepted_id.max(Some(last_id));
            } else {
                let content = Content { symbol: symbol.clone(), last_id, trades: count(ids) };
                self.waiting.insert(*sequence, content);
            }
        }
        self.log(event);
    }

    /// Records the health, with this number of messages that no target has accepted.
    fn look(&mut self, messages_waiting: u64, now: Instant) -> &Health {
        if messages_waiting == 0 {
            self.moved_at = Some(now);
        }
        let stuck = now.saturating_duration_since(*self.moved_at.get_or_insert(now));
        let stuck = (stuck > STUCK).then(|| {
            format!(
                "no cloud has taken any of {messages_waiting} messages for {} s",
                stuck.as_secs()
            )
        });
        let no_stream =
            self.no_stream.as_ref().map(|why| format!("no connection to the stream: {why}"));
        let quiet = self.quiet.map(|quiet| {
            format!(
                "the stream has brought no trade for {} s or longer: see whether Binance trades the symbols",
                quiet.as_secs()
            )
        });
        let troubles = [no_stream, quiet, self.full.clone(), self.unwritable.clone(), stuck];
        let accepted = self.accepted_at.map(|at| now.saturating_duration_since(at).as_secs());
        let health = Health {
            troubles: troubles.into_iter().flatten().collect(),
            messages_waiting,
            accepted_s_ago: accepted,
        };
        &self.health.insert((now, health)).1
    }

    fn accepted(&mut self, target: &str, sequence: u64, now: Instant) {
        self.accepted_at = Some(now);
        self.counts(target).accepted += 1;
        if let Some(Content { symbol, last_id, trades }) = self.waiting.remove(&sequence) {
            self.moved_at = Some(now);
            self.totals.accepted_trades += trades;
            let status = self.symbols.entry(symbol).or_default();
            status.accepted_id = status.accepted_id.max(Some(last_id));
        }
    }

    fn failed(&mut self, target: &str, why: &str) {
        let counts = self.counts(target);
        counts.failed += 1;
        counts.last_error = Some(why.to_owned());
    }

    fn counts(&mut self, target: &str) -> &mut Counts {
        self.targets.entry(target.to_owned()).or_default()
    }
}

/// The number of ids in ranges.
fn count(ids: &[(u64, u64)]) -> u64 {
    ids.iter().map(|(first, last)| last - first + 1).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use candle::{Price, Quantity, Trade};
    use pipeline::route::{Policy, Router, RouterState};

    use super::*;
    use producer::spool::SpoolError;

    pub(in super::super) fn observer(status: PathBuf) -> Observer {
        let fixed = Fixed {
            source: "binance".to_owned(),
            is_stream: true,
            policy: "mirror".to_owned(),
            spool_max_bytes: 1,
            status,
        };
        Observer::new(fixed)
    }

    /// A relay's view without targets.
    pub(in super::super) fn view(waiting: u64) -> RelayView {
        let router =
            Router { targets: vec![], policy: Policy::Mirror, services: vec![], failback_ms: 0 };
        RelayView {
            targets: vec![],
            route: router.decide(RouterState::default(), &[], 0).1,
            order: None,
            fenced: None,
            spool_bytes: 0,
            waiting,
        }
    }

    /// An observer of a stream that is connected.
    fn connected() -> Observer {
        let observer = observer("/nonexistent/status.json".into());
        observer.binance(&BinanceEvent::Connected);
        observer
    }

    fn batch() -> Batch {
        let (price, quantity) = (Price::from_units(1).unwrap(), Quantity::from_units(1).unwrap());
        let trade = Trade { id: 7, time_ms: 1, price, quantity, buyer_is_maker: false };
        Batch { symbol: "BTCUSDT".parse().unwrap(), trades: vec![trade] }
    }

    fn troubles(observer: &Observer) -> Vec<String> {
        observer.status(view(0)).troubles
    }

    #[test]
    fn a_spool_is_full_until_a_message_is_spooled() {
        let observer = connected();
        assert!(troubles(&observer).is_empty());
        let error = SpoolError::Full { path: "/spool".into(), bytes: 1, more: 2, max_bytes: 2 };
        observer.relay(Event::Full { why: error.to_string() });
        assert_eq!(troubles(&observer), [error.to_string()]);
        observer.relay(Event::spooled(1, &batch(), false));
        assert!(troubles(&observer).is_empty());
    }

    #[test]
    fn a_status_that_can_not_be_written_is_in_the_health_until_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later/status.json");
        let observer = observer(path.clone());
        observer.binance(&BinanceEvent::Connected);
        observer.write_status(view(0));
        observer.write_status(view(0));
        let told = observer.health().troubles;
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = format!("write the status {}: ", path.display());
        assert!(told[0].starts_with(&expected), "{told:?}");
        std::fs::create_dir(dir.path().join("later")).unwrap();
        observer.write_status(view(0));
        observer.write_status(view(0));
        assert!(observer.health().troubles.is_empty(), "{:?}", observer.health());
        assert!(Status::read(&path).unwrap().troubles.is_empty());
    }

    #[test]
    fn waiting_messages_that_no_cloud_accepts_for_a_minute_are_in_the_health() {
        let observer = connected();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heard = observer.heard();
        heard.spooled(Event::spooled(1, &batch(), false), false);
        let troubles =
            |heard: &mut Heard, waiting, seconds| heard.look(waiting, at(seconds)).troubles.clone();
        let stuck =
            |messages| vec![format!("no cloud has taken any of {messages} messages for 61 s")];
        let none: [String; 0] = [];
        // The time counts from the first record, however long the start took.
        assert_eq!(troubles(&mut heard, 2, 100), none);
        assert_eq!(troubles(&mut heard, 2, 160), none);
        assert_eq!(troubles(&mut heard, 2, 161), stuck(2));
        heard.accepted("aws", 1, at(161));
        assert_eq!(troubles(&mut heard, 1, 161), none);
        // A message that no longer waits, such as one that is sent again as a probe.
        heard.accepted("aws", 1, at(170));
        assert_eq!(heard.look(1, at(172)).accepted_s_ago, Some(2));
        assert_eq!(troubles(&mut heard, 1, 221), none);
        assert_eq!(troubles(&mut heard, 1, 222), stuck(1));
        // Without waiting messages there is nothing to accept.
        assert_eq!(troubles(&mut heard, 0, 300), none);
        assert_eq!(troubles(&mut heard, 3, 360), none);
        assert_eq!(troubles(&mut heard, 3, 361), stuck(3));
    }

    #[test]
    fn a_message_accepted_before_the_first_record_starts_the_time_too() {
        let observer = connected();
        let start = Instant::now();
        let mut heard = observer.heard();
        heard.spooled(Event::spooled(1, &batch(), false), false);
        heard.accepted("aws", 1, start);
        let health = heard.look(1, start + STUCK + Duration::from_secs(1));
        assert_eq!(health.troubles, ["no cloud has taken any of 1 messages for 61 s"]);
    }

    #[test]
    fn a_stream_that_is_away_or_brings_no_trade_is_in_the_health() {
        let observer = observer("/nonexistent/status.json".into());
        let away = |why: &str| format!("no connection to the stream: {why}");
        let quiet = "the stream has brought no trade for 1800 s or longer: see whether Binance trades the symbols";
        assert_eq!(troubles(&observer), [away("it is not connected yet")]);
        observer.binance(&BinanceEvent::Connected);
        assert!(troubles(&observer).is_empty());
        observer.binance(&BinanceEvent::Quiet { lasting: Duration::from_mins(30) });
        assert_eq!(troubles(&observer), [quiet]);
        // Another connection is no trade.
        observer.binance(&BinanceEvent::Disconnected { why: "cut".to_owned() });
        assert_eq!(troubles(&observer), [away("cut").as_str(), quiet]);
        observer.binance(&BinanceEvent::Connected);
        assert_eq!(troubles(&observer), [quiet]);
        observer.binance(&BinanceEvent::Trading);
        assert!(troubles(&observer).is_empty());
    }

    #[test]
    fn every_change_of_the_stream_is_an_event() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let observer = observer("/nonexistent/status.json".into());
        observer.log_to(Log::open(&path).unwrap());
        observer.binance(&BinanceEvent::Connected);
        observer.binance(&BinanceEvent::Quiet { lasting: Duration::from_mins(30) });
        observer.binance(&BinanceEvent::Disconnected { why: "cut".to_owned() });
        observer.binance(&BinanceEvent::Trading);
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<_> =
            text.lines().map(|line| line.split_once(",\"event\":").unwrap().1).collect();
        assert_eq!(
            events,
            [
                r#""stream","connected":true,"why":""}"#,
                r#""quiet","lasting_s":1800}"#,
                r#""stream","connected":false,"why":"cut"}"#,
                r#""trading"}"#,
            ]
        );
    }
}
