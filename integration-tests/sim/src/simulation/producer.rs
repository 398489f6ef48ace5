//! The producer: the real relay and spool, one life after the other on the same folder.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use candle::Symbols;
use candle::message;
use pipeline::route::overrides::OverrideStore as _;
use producer::position::Position;
use producer::relay::{Relay, RelayConfig};
use producer::spool::{Cursor, Spool, SpoolConfig};
use producer::{Relayed, SourceTrade};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::START_MS;
use super::functions::ClientPorts;
use super::ports::CloudPorts as _;
use crate::history::{Event, History};
use crate::mutants::Mutant;

const CHANNEL_TRADES: usize = 1_024;
const SOURCE: &str = "sim";
const POLL: Duration = Duration::from_millis(20);
/// Interval between looks at incarnation ids, as in the program.
const INCARNATIONS: Duration = Duration::from_secs(1);
/// The time within which a producer publishes everything, once nothing is broken.
const TIMEOUT: Duration = Duration::from_mins(10);

/// A producer and all that its lives have in common.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) relay: RelayConfig,
    pub(super) spool: SpoolConfig,
    pub(super) dir: PathBuf,
    /// In the order of the router's targets.
    pub(super) ports: Vec<ClientPorts>,
    pub(super) trades: Arc<Vec<SourceTrade>>,
    pub(super) symbols: Symbols,
    pub(super) rate: u32,
    pub(super) history: History,
    pub(super) started: Instant,
    pub(super) mutant: Option<Mutant>,
    pub(super) lives: u32,
    pub(super) running: Option<JoinHandle<anyhow::Result<Relayed>>>,
}

impl Producer {
    /// Starts it, on whatever an earlier one has left.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.lives += 1;
        let (spool, recovery) = Spool::open(&self.dir, self.spool.clone())?;
        let (pid, recovered_messages) = (self.lives, recovery.records);
        let (version, torn_bytes) = (producer::events::VERSION, recovery.torn_bytes);
        self.record(producer::Event::Started { version, pid, recovered_messages, torn_bytes });
        let mut cursor = Cursor::new();
        while let Some(record) = spool.read(&mut cursor)? {
            if let Ok(batch) = message::decode(record.body.as_bytes(), &self.symbols) {
                self.record(producer::Event::spooled(record.sequence, &batch, true));
            }
        }
        let marked = spool.marked()?.and_then(|text| Position::parse(&text, SOURCE));
        let position = marked.unwrap_or_else(|| Position::start(SOURCE));
        let taken = usize::try_from(position.taken).context("read how far the source is")?;
        let started = self.started;
        let clock_ms =
            move || START_MS + u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let history = self.history.clone();
        let on_event = move |event| history.record(Event::Producer(event));
        // Another life draws other waits.
        let seed = self.relay.seed ^ u64::from(self.lives);
        let config = RelayConfig { seed, ..self.relay.clone() };
        let relay = Relay::new(config, spool, self.ports.clone(), clock_ms, on_event);
        let relay = relay.resuming(position);
        self.record(producer::Event::routed_because(&relay.route(), 0, "start"));
        let (sender, receiver) = mpsc::channel(CHANNEL_TRADES);
        let (trades, rate) = (Arc::clone(&self.trades), self.rate);
        let watched = self.ports.clone();
        self.running = Some(tokio::spawn(async move {
            let feed = async move {
                let began = Instant::now();
                for (number, trade) in (0_u64..).zip(trades.iter().skip(taken)) {
                    let due = Duration::from_micros(number * 1_000_000 / u64::from(rate));
                    sleep_until(began + due).await;
                    if sender.send(trade.clone()).await.is_err() {
                        break;
                    }
                }
            };
            let incarnations = watch_incarnations(&relay, &watched);
            let work = async { tokio::join!(relay.run(receiver), feed) };
            tokio::select! {
                // In this order, or no seed would give one history.
                biased;
                (relayed, ()) = work => Ok(relayed?),
                never = incarnations => never,
            }
        }));
        Ok(())
    }

    /// `kill -9`: what it wrote is there, and what it only knew is not.
    pub(super) async fn crash(&mut self) -> anyhow::Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let acks = self.dir.join("acks");
        let written = fs::read(&acks);
        running.abort();
        let _ = running.await;
        // A spool that is dropped writes down its acknowledgements; one that is killed does not.
        match written {
            Ok(written) => fs::write(&acks, written)?,
            Err(_) => fs::remove_file(&acks)?,
        }
        self.mutant.map_or(Ok(()), |mutant| mutant.after_crash(&self.dir))
    }

    /// Waits until everything is published.
    pub(super) async fn done(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        let running = self.running.as_mut().context("the producer is not there")?;
        while !running.is_finished() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the producer has not published everything within {TIMEOUT:?} after the last fault"
            );
            sleep(POLL).await;
        }
        let Relayed { trades, messages, refused, .. } =
            running.await.context("run the producer")??;
        self.running = None;
        anyhow::ensure!(refused == 0, "{refused} messages stay in the spool: a cloud refuses them");
        self.record(producer::Event::Done { trades, messages });
        Ok(())
    }

    fn record(&self, event: producer::Event) {
        self.history.record(Event::Producer(event));
    }

    /// True if it ended by itself; one that was killed has not.
    pub(super) fn has_published_everything(&self) -> bool {
        self.running.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// True if it does not run.
    pub(super) fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Looks at each cloud's incarnation id, for as long as this is polled.
async fn watch_incarnations(relay: &Relay<ClientPorts>, ports: &[ClientPorts]) -> ! {
    let each = ports.iter().map(|port| async move {
        loop {
            if let Ok(mark) = port.incarnation().await {
                relay.observe_incarnation(port.cloud().as_str(), mark.as_deref());
            }
            sleep(INCARNATIONS).await;
        }
    });
    futures::future::join_all(each).await;
    std::future::pending().await
}
