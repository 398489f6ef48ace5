//! Takes trades from the source into the spool.

use std::collections::{BTreeMap, VecDeque};

use candle::Symbol;
use candle::message::{self, Batch};
use pipeline::ports::Queue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Event, Relay, Relayed};
use crate::Batcher;
use crate::recording::SourceTrade;
use crate::spool::{Record, SpoolError};

/// Trades taken from the source at once; their messages are synced to disk together.
const GROUP_TRADES: usize = 8_192;

/// Trades that are not in a message yet.
struct Open {
    batcher: Batcher,
    /// The number of each symbol's first such trade.
    first: BTreeMap<Symbol, u64>,
    taken: u64,
}

impl Open {
    fn push(&mut self, SourceTrade { symbol, trade }: SourceTrade) -> Option<Batch> {
        if !self.first.contains_key(&symbol) {
            self.first.insert(symbol.clone(), self.taken);
        }
        self.taken += 1;
        let batch = self.batcher.push(&symbol, trade)?;
        self.first.remove(&symbol);
        Some(batch)
    }

    fn flush(&mut self) -> impl Iterator<Item = Batch> + use<> {
        self.first.clear();
        self.batcher.flush()
    }

    /// The number of trades from the start that are all in messages.
    fn complete(&self) -> u64 {
        self.first.values().min().copied().unwrap_or(self.taken)
    }
}

impl<Q: Queue> Relay<Q> {
    /// Takes trades until the source ends.
    pub(super) async fn take(
        &self,
        mut source: mpsc::Receiver<SourceTrade>,
    ) -> Result<Relayed, SpoolError> {
        let mut position = self.state().position.clone();
        let batcher = Batcher::new(self.config.limits);
        let mut open = Open { batcher, first: BTreeMap::new(), taken: position.taken };
        let mut relayed = Relayed::default();
        // The time at which the batcher must be flushed; none while it is empty.
        let mut due: Option<Instant> = None;
        let mut group = Vec::new();
        loop {
            let received = tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
                received = source.recv_many(&mut group, GROUP_TRADES) => Some(received),
            };
            relayed.trades += group.len() as u64;
            if !group.is_empty() {
                due = due.or_else(|| Some(Instant::now() + self.config.batch_age));
            }
            let mut batches: VecDeque<Batch> =
                group.drain(..).filter_map(|trade| open.push(trade)).collect();
            let is_over = received == Some(0);
            if received.is_none() || is_over {
                batches.extend(open.flush());
            }
            relayed.messages += batches.len() as u64;
            for batch in &batches {
                position.take_in(batch, self.keeps_gaps);
            }
            if let Some(settled) = &self.settled
                && !batches.is_empty()
            {
                position.settle(settled);
            }
            self.spool(batches).await?;
            if open.batcher.is_empty() {
                due = None;
            }
            let mut state = self.state();
            position.taken = open.complete();
            state.position.clone_from(&position);
            state.is_all_spooled = is_over;
            drop(state);
            if is_over {
                self.changed.send_replace(());
                return Ok(relayed);
            }
        }
    }

    /// Spools messages; waits while the spool is full, and so the source waits too.
    async fn spool(&self, batches: VecDeque<Batch>) -> Result<(), SpoolError> {
        let mut left: VecDeque<_> =
            batches.into_iter().map(|batch| (message::encode(&batch), batch)).collect();
        let mut is_told = false;
        while !left.is_empty() {
            let before = left.len();
            let appended = self.append(&mut left);
            // Once a message fits, the next full spool is reported again.
            is_told &= left.len() == before;
            self.changed.send_replace(());
            match appended {
                Err(error) if error.is_full() => {
                    if !is_told {
                        (self.on_event)(Event::Full { why: error.to_string() });
                        is_told = true;
                    }
                    sleep(self.config.checkpoint).await;
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Appends as many messages as fit, and syncs them to disk together.
    fn append(&self, left: &mut VecDeque<(String, Batch)>) -> Result<(), SpoolError> {
        let time_ms = (self.clock_ms)();
        let mut state = self.state();
        let (mut spooled, mut failed) = (Vec::new(), Ok(()));
        while let Some((body, batch)) = left.pop_front() {
            match state.spool.append_unsynced(&body, time_ms) {
                Ok(sequence) => spooled.push((Record { sequence, time_ms, body }, batch)),
                Err(error) => {
                    left.push_front((body, batch));
                    failed = Err(error);
                    break;
                }
            }
        }
        state.spool.sync_if_due()?;
        // Emitted before any publisher can see the message, so that its event precedes any
        // acceptance.
        for (Record { sequence, .. }, batch) in &spooled {
            (self.on_event)(Event::spooled(*sequence, batch, false));
        }
        if let Some((latest, _)) = spooled.pop() {
            state.latest = Some(latest);
        }
        failed
    }
}
