//! A cloud as the harness sees it: its ports, and what a run does with them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use candle::{Candle, IdRanges, Interval, ObjectName, Symbols, message};
use pipeline::ports::{Archive, CandleStore, MessageId, Queue};
use tokio::time::{Instant, sleep};

use crate::delivery::Limits;
use crate::history::{CloudId, Event, History, id_ranges};
use crate::snapshot::Snapshot;
use crate::workload::{Content, Message, Workload};

/// Tries at publishing a message, and the wait between them.
const PUBLISH_TRIES: u32 = 60;
const PUBLISH_RETRY: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);
/// Time to wait for a dead letter that should not come.
const QUIET: Duration = Duration::from_millis(400);

/// The ports of one cloud.
#[derive(Clone, Debug)]
pub struct Cloud<Q, A, S> {
    /// Which one.
    pub name: CloudId,
    /// Queue of new messages.
    pub queue: Q,
    /// Queue of messages that were delivered too often.
    pub dead_letters: Q,
    /// The archive.
    pub archive: A,
    /// The candles.
    pub store: S,
    /// The part of it that a run looks at.
    pub view: View,
}

/// The part of a cloud that a run looks at, and its timeouts.
#[derive(Clone, Debug)]
pub struct View {
    /// Only what happened then, in epoch milliseconds, on a cloud that others use too; `None`: all that there is.
    pub window: Option<Range<u64>>,
    /// A cloud that makes no progress for so long will not converge.
    pub stall: Duration,
}

impl View {
    /// Of a cloud that is the run's own.
    #[must_use]
    pub fn whole() -> Self {
        Self { window: None, stall: Duration::from_secs(30) }
    }

    /// On a cloud whose messages come again by these limits.
    #[must_use]
    pub fn redelivering(self, limits: Limits) -> Self {
        Self { stall: self.stall + limits.until_dead(), ..self }
    }

    fn shows(&self, time_ms: u64) -> bool {
        self.window.as_ref().is_none_or(|window| window.contains(&time_ms))
    }

    /// True if a dead letter is the run's; on a cloud of its own, always.
    fn shows_dead_letter(&self, body: &[u8], symbols: &Symbols) -> bool {
        let trades = || message::decode(body, symbols).ok().map(|batch| batch.trades);
        self.window.is_none()
            || trades().is_some_and(|all| all.iter().any(|trade| self.shows(trade.time_ms)))
    }
}

impl<Q: Queue, A: Archive, S: CandleStore> Cloud<Q, A, S> {
    /// Publishes messages and records what was accepted; a failed publish is tried again.
    pub async fn publish(
        &self,
        first: usize,
        messages: &[Message],
        history: &History,
    ) -> anyhow::Result<()> {
        let mut left: Vec<(usize, &Message)> = (first..).zip(messages).collect();
        for attempt in 0..PUBLISH_TRIES {
            if attempt > 0 {
                sleep(PUBLISH_RETRY).await;
            }
            let bodies = left.iter().map(|(_, message)| message.body.clone()).collect();
            let answers = self.queue.publish(bodies).await;
            let mut failed = Vec::new();
            for ((number, message), answer) in left.into_iter().zip(answers) {
                match answer {
                    Ok(_) => self.accepted(number, message, history),
                    Err(error) => {
                        let (target, sequence) = (self.name.to_string(), number as u64);
                        let why = error.to_string();
                        let event = producer::Event::Unknown { target, sequence, why };
                        history.record(Event::Producer(event));
                        failed.push((number, message));
                    }
                }
            }
            if failed.is_empty() {
                return Ok(());
            }
            left = failed;
        }
        anyhow::bail!(
            "{}: {} messages not accepted after {PUBLISH_TRIES} tries",
            self.name,
            left.len()
        )
    }

    fn accepted(&self, number: usize, message: &Message, history: &History) {
        let number = number as u64;
        let Content::Trades { symbol, ids } = &message.content else {
            let body = message.body.clone();
            return history.record(Event::PoisonAccepted { cloud: self.name, body });
        };
        let is_first = history.count(|event| {
            matches!(event, Event::Producer(producer::Event::Spooled { sequence, .. }) if *sequence == number)
        }) == 0;
        if is_first {
            let (symbol, ids) = (symbol.clone(), id_ranges(ids.iter().copied()));
            let spooled =
                producer::Event::Spooled { sequence: number, symbol, ids, recovered: false };
            history.record(Event::Producer(spooled));
        }
        let (target, sequence) = (self.name.to_string(), number);
        let accepted = producer::Event::Accepted { target, sequence, is_first };
        history.record(Event::Producer(accepted));
    }

    /// Waits until every trade is in the candles and every poison is a dead letter, or until all is published and
    /// nothing moves any more. The dead letters come back.
    pub async fn converge(
        &self,
        workload: &Workload,
        intervals: &[Interval],
        published: &AtomicBool,
        history: &History,
    ) -> anyhow::Result<BTreeMap<MessageId, Bytes>> {
        let expected = expected_ids(workload);
        let poison = workload.poison().count();
        let mut dead_letters = BTreeMap::new();
        let mut last = (None, usize::MAX);
        let mut moved = Instant::now();
        let mut complete = false;
        loop {
            let missing = self.missing(&workload.symbols, intervals, &expected).await;
            if missing == Some(0) && !complete {
                complete = true;
                history.record(Event::CandlesComplete { cloud: self.name });
            }
            if dead_letters.len() < poison && missing == Some(0) {
                self.collect_dead_letters(&mut dead_letters, &workload.symbols).await?;
            }
            if missing == Some(0) && dead_letters.len() >= poison {
                history.record(Event::Converged { cloud: self.name });
                break;
            }
            let now = (missing, dead_letters.len());
            if now != last || !published.load(Ordering::Relaxed) {
                (last, moved) = (now, Instant::now());
            }
            let stall = self.view.stall;
            if moved.elapsed() > stall {
                let detail = format!(
                    "nothing moved for {stall:?}: {} trades missing in the candles, {} of {poison} dead letters",
                    missing.map_or_else(|| "unknown".to_owned(), |missing| missing.to_string()),
                    dead_letters.len()
                );
                history.record(Event::NotConverged { cloud: self.name, detail });
                break;
            }
            sleep(POLL).await;
        }
        let quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            self.collect_dead_letters(&mut dead_letters, &workload.symbols).await?;
        }
        Ok(dead_letters)
    }

    /// Expected trades that a candle is still to get, over all intervals; `None` if the store can't be read now.
    async fn missing(
        &self,
        symbols: &Symbols,
        intervals: &[Interval],
        expected: &BTreeMap<String, IdRanges>,
    ) -> Option<u64> {
        let mut missing = 0;
        for symbol in symbols.iter() {
            let expected = expected.get(symbol.as_str())?;
            // The longest first: it is one candle to read, and the last to be complete.
            for interval in intervals.iter().rev() {
                let candles = self.store.scan(symbol, *interval).await.ok()?;
                let held = candles.iter().fold(IdRanges::default(), |ids, c| ids.union(c.ids()));
                missing += expected.difference(&held).count();
                if missing > 0 {
                    return Some(missing);
                }
            }
        }
        Some(missing)
    }

    async fn collect_dead_letters(
        &self,
        dead_letters: &mut BTreeMap<MessageId, Bytes>,
        symbols: &Symbols,
    ) -> anyhow::Result<()> {
        let received = self.dead_letters.receive(10).await.context("receive dead letters")?;
        for message in received {
            if self.view.window.is_some() {
                // They are left for the cloud's operator.
                self.dead_letters
                    .release(&message.receipt)
                    .await
                    .context("give a dead letter back")?;
            }
            if self.view.shows_dead_letter(&message.body, symbols) {
                dead_letters.insert(message.id, message.body);
            }
        }
        Ok(())
    }

    /// Reads the whole state.
    pub async fn snapshot(
        &self,
        symbols: &Symbols,
        dead_letters: BTreeMap<MessageId, Bytes>,
    ) -> anyhow::Result<Snapshot> {
        let mut candles: Vec<Candle> = Vec::new();
        for symbol in symbols.iter() {
            for interval in Interval::ALL {
                let read = self.store.scan(symbol, interval).await;
                let read = read.with_context(|| format!("{}: read the candles", self.name))?;
                let is_shown = |candle: &Candle| self.view.shows(candle.key().open_time_ms);
                candles.extend(read.into_iter().filter(is_shown));
            }
        }
        let mut archive = Vec::new();
        for name in self.archived(symbols).await? {
            let object = self.archive.get(&name).await;
            let object = object.with_context(|| format!("{}: read {name}", self.name))?;
            archive.push((name, object.unwrap_or_default()));
        }
        let dead_letters = dead_letters.into_values().collect();
        Ok(Snapshot { candles, archive, dead_letters })
    }

    /// Trades in the candles of an interval.
    pub async fn held(&self, symbols: &Symbols, interval: Interval) -> anyhow::Result<u64> {
        let mut held = 0;
        for symbol in symbols.iter() {
            let candles = self.store.scan(symbol, interval).await;
            let candles = candles.with_context(|| format!("{}: read the candles", self.name))?;
            let shown = candles.iter().filter(|candle| self.view.shows(candle.key().open_time_ms));
            held += shown.map(|candle| candle.ids().count()).sum::<u64>();
        }
        Ok(held)
    }

    /// The names of the archive's objects, in order.
    pub async fn archived(&self, symbols: &Symbols) -> anyhow::Result<Vec<String>> {
        let Some(window) = &self.view.window else { return self.list("trades").await };
        let mut shown = Vec::new();
        for symbol in symbols.iter() {
            let prefix = ObjectName::symbol_prefix(symbol);
            let names = self.list(prefix.trim_end_matches('/')).await?;
            shown.extend(names.into_iter().filter(|name| {
                let name = name.parse::<ObjectName>();
                name.is_ok_and(|name| window.contains(&name.hour.start_ms()))
            }));
        }
        Ok(shown)
    }

    async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let names = self.archive.list(prefix, all.last().map(String::as_str), 1000).await;
            let names = names.with_context(|| format!("{}: list the archive", self.name))?;
            if names.is_empty() {
                return Ok(all);
            }
            all.extend(names);
        }
    }
}

fn expected_ids(workload: &Workload) -> BTreeMap<String, IdRanges> {
    let mut expected: BTreeMap<String, IdRanges> = BTreeMap::new();
    for message in &workload.messages {
        if let Content::Trades { symbol, ids } = &message.content {
            let ranges = expected.entry(symbol.to_string()).or_default();
            for id in ids {
                ranges.insert(*id);
            }
        }
    }
    expected
}
