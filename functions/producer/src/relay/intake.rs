//! From the source into the spool.

use candle::message::{self, Batch};
use pipeline::ports::Queue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Event, Relay, Relayed};
use crate::Batcher;
use crate::recording::SourceTrade;
use crate::spool::{Record, SpoolError};

impl<Q: Queue> Relay<Q> {
    /// Takes trades until the source ends.
    pub(super) async fn take(
        &self,
        mut source: mpsc::Receiver<SourceTrade>,
    ) -> Result<Relayed, SpoolError> {
        let mut batcher = Batcher::new(self.config.limits);
        let mut relayed = Relayed::default();
        // When what is in the batcher must go; none while it is empty.
        let mut due: Option<Instant> = None;
        loop {
            let next = tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
                next = source.recv() => Some(next),
            };
            let batches: Vec<Batch> = if let Some(Some(SourceTrade { symbol, trade })) = &next {
                relayed.trades += 1;
                due = due.or_else(|| Some(Instant::now() + self.config.batch_age));
                batcher.push(symbol, *trade).into_iter().collect()
            } else {
                batcher.flush().collect()
            };
            for batch in batches {
                self.spool(&batch).await?;
                relayed.messages += 1;
            }
            if batcher.is_empty() {
                due = None;
            }
            if matches!(next, Some(None)) {
                self.state().is_all_spooled = true;
                return Ok(relayed);
            }
        }
    }

    /// Spools a message; waits while there is no room. So does the source, then.
    async fn spool(&self, batch: &Batch) -> Result<(), SpoolError> {
        let body = message::encode(batch);
        let mut is_told = false;
        loop {
            let time_ms = (self.clock_ms)();
            match self.append(&body, time_ms, batch) {
                Err(error) if error.is_full() => {
                    if !is_told {
                        (self.tell)(Event::Full { error: &error });
                        is_told = true;
                    }
                    sleep(self.config.checkpoint).await;
                }
                result => {
                    self.changed.send_replace(());
                    return result;
                }
            }
        }
    }

    fn append(&self, body: &str, time_ms: u64, batch: &Batch) -> Result<(), SpoolError> {
        let mut state = self.state();
        let sequence = state.spool.append(body, time_ms)?;
        state.latest = Some(Record { sequence, time_ms, body: body.to_owned() });
        // Told before any publisher can see it, so that nothing is accepted before it is spooled.
        (self.tell)(Event::Spooled { sequence, batch });
        Ok(())
    }
}
