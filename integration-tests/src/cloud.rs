//! A cloud as the harness sees it: its ports, and what a run does with them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use candle::{Candle, IdRanges, Interval, Symbols};
use pipeline::ports::{Archive, CandleStore, MessageId, Queue};
use tokio::time::{Instant, sleep};

use crate::history::{CloudName, Event, History, id_ranges};
use crate::snapshot::Snapshot;
use crate::workload::{Content, Message, Workload};

/// Tries at publishing a message, and the wait between them.
const PUBLISH_TRIES: u32 = 60;
const PUBLISH_RETRY: Duration = Duration::from_millis(500);
/// A cloud that makes no progress for so long will not converge. Longer than any redelivery takes.
const STALL: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// How long to look for a dead letter that should not be there.
const QUIET: Duration = Duration::from_millis(400);

/// The ports of one cloud.
#[derive(Clone, Debug)]
pub struct Cloud<Q, A, S> {
    /// Which one.
    pub name: CloudName,
    /// Where messages go in.
    pub queue: Q,
    /// Where those end that were delivered too often.
    pub dead_letters: Q,
    /// The archive.
    pub archive: A,
    /// The candles.
    pub store: S,
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
                    Ok(_) => history.record(self.accepted(number, message, history)),
                    Err(error) => {
                        let error = error.to_string();
                        history.record(Event::PublishFailed { cloud: self.name, error });
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

    fn accepted(&self, number: usize, message: &Message, history: &History) -> Event {
        let number = number as u64;
        match &message.content {
            Content::Trades { symbol, ids } => Event::Accepted {
                cloud: self.name,
                message: number,
                symbol: symbol.to_string(),
                trade_ids: id_ranges(ids.iter().copied()),
                is_first: history.count(
                    |event| matches!(event, Event::Accepted { message, .. } if *message == number),
                ) == 0,
            },
            Content::Poison => {
                Event::PoisonAccepted { cloud: self.name, body: message.body.clone() }
            }
        }
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
                self.collect_dead_letters(&mut dead_letters).await?;
            }
            if missing == Some(0) && dead_letters.len() >= poison {
                history.record(Event::Converged { cloud: self.name });
                break;
            }
            let now = (missing, dead_letters.len());
            if now != last || !published.load(Ordering::Relaxed) {
                (last, moved) = (now, Instant::now());
            }
            if moved.elapsed() > STALL {
                let detail = format!(
                    "nothing moved for {STALL:?}: {} trades missing in the candles, {} of {poison} dead letters",
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
            self.collect_dead_letters(&mut dead_letters).await?;
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
    ) -> anyhow::Result<()> {
        let received = self.dead_letters.receive(10).await.context("receive dead letters")?;
        for message in received {
            dead_letters.insert(message.id, message.body);
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
                candles.extend(read.with_context(|| format!("{}: read the candles", self.name))?);
            }
        }
        let mut archive = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let names = self.archive.list("trades", after.as_deref(), 1000).await;
            let names = names.with_context(|| format!("{}: list the archive", self.name))?;
            let Some(last) = names.last() else { break };
            after = Some(last.clone());
            for name in names {
                let object = self.archive.get(&name).await;
                let object = object.with_context(|| format!("{}: read {name}", self.name))?;
                archive.push((name, object.unwrap_or_default()));
            }
        }
        let dead_letters = dead_letters.into_values().collect();
        Ok(Snapshot { candles, archive, dead_letters })
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
