//! From the source into the spool.

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

/// Trades taken from the source at once: their messages are forced to disk together.
const GROUP_TRADES: usize = 8_192;

/// The trades that are in no message yet.
struct Open {
    batcher: Batcher,
    /// The number of the first one of each symbol.
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

    /// Every trade before this one is in a message.
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
        // When what is in the batcher must go; none while it is empty.
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

    /// Spools messages; waits while there is no room. So does the source, then.
    async fn spool(&self, batches: VecDeque<Batch>) -> Result<(), SpoolError> {
        let mut left: VecDeque<_> =
            batches.into_iter().map(|batch| (message::encode(&batch), batch)).collect();
        let mut is_told = false;
        while !left.is_empty() {
            let before = left.len();
            let appended = self.append(&mut left);
            // A message that fit ends what was told: the next one that does not fit is told anew.
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

    /// Appends as many as there is room for, and forces them to disk together.
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
        // Emitted before any publisher can see it, so that nothing is accepted before it is spooled.
        for (Record { sequence, .. }, batch) in &spooled {
            (self.on_event)(Event::spooled(*sequence, batch, false));
        }
        if let Some((latest, _)) = spooled.pop() {
            state.latest = Some(latest);
        }
        failed
    }
}
