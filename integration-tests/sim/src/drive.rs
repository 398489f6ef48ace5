//! What a run without faults does with its clouds: it sends, waits and reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use candle::Interval;
use pipeline::ports::{Archive, CandleStore, MessageId, Queue};
use tokio::time::{Instant, sleep_until};

use crate::cloud::Cloud;
use crate::history::{CloudId, Event, History};
use crate::snapshot::Snapshot;
use crate::workload::{Message, Workload};

/// Messages published together.
const CHUNK: usize = 20;

/// A run without faults: its load, and the history in which it is recorded.
#[derive(Clone, Debug)]
pub struct Drive {
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second; `None`: as fast as they go.
    pub rate: Option<u32>,
    /// The history.
    pub history: History,
}

impl Drive {
    /// Publishes to both clouds, waits for them to come to rest and reads their state.
    pub async fn both<Qa, Aa, Sa, Qg, Ag, Sg>(
        &self,
        aws: &Cloud<Qa, Aa, Sa>,
        gcp: &Cloud<Qg, Ag, Sg>,
        progress: impl Fn(&str),
    ) -> anyhow::Result<[(CloudId, Snapshot); 2]>
    where
        Qa: Queue,
        Aa: Archive,
        Sa: CandleStore,
        Qg: Queue,
        Ag: Archive,
        Sg: CandleStore,
    {
        progress("publishing, and waiting for the clouds to converge");
        let (aws_dead, gcp_dead) = tokio::try_join!(self.one(aws), self.one(gcp))?;
        progress("reading both clouds");
        let symbols = &self.workload.symbols;
        let (aws, gcp) =
            tokio::try_join!(aws.snapshot(symbols, aws_dead), gcp.snapshot(symbols, gcp_dead))?;
        Ok([(CloudId::Aws, aws), (CloudId::Gcp, gcp)])
    }

    async fn one<Q: Queue, A: Archive, S: CandleStore>(
        &self,
        cloud: &Cloud<Q, A, S>,
    ) -> anyhow::Result<BTreeMap<MessageId, Bytes>> {
        self.history.record(Event::PublishStarted { cloud: cloud.name });
        // Whoever waits sees candles grow while messages still go out.
        let all_published = AtomicBool::new(false);
        let publish = async {
            let published = self.publish(cloud).await;
            all_published.store(true, Ordering::Relaxed);
            published
        };
        let (workload, history) = (&self.workload, &self.history);
        let converge = cloud.converge(workload, &self.intervals, &all_published, history);
        let (published, converged) = tokio::join!(publish, converge);
        published.with_context(|| format!("publish to {}", cloud.name))?;
        converged
    }

    async fn publish<Q: Queue, A: Archive, S: CandleStore>(
        &self,
        cloud: &Cloud<Q, A, S>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut sent_trades: u64 = 0;
        let chunk = if self.rate.is_some() { 1 } else { CHUNK };
        for (n, messages) in self.workload.messages.chunks(chunk).enumerate() {
            if let Some(rate) = self.rate {
                sleep_until(start + Duration::from_millis(sent_trades * 1000 / u64::from(rate)))
                    .await;
            }
            cloud.publish(n * chunk, messages, &self.history).await?;
            sent_trades += messages.iter().map(Message::trades).sum::<u64>();
        }
        Ok(())
    }
}
