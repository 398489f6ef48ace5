//! The producer: the real relay and spool, one life after the other on the same folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use candle::Symbols;
use candle::message::{self, Batch};
use pipeline::route::Route;
use producer::position::Position;
use producer::relay::{Event as Told, Relay, RelayConfig};
use producer::spool::{Cursor, Spool, SpoolConfig};
use producer::{Relayed, SourceTrade};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::START_MS;
use super::port::Port;
use crate::history::{CloudId, Event, History, id_ranges};
use crate::planted::{self, Plant};

const CHANNEL_TRADES: usize = 1_024;
const SOURCE: &str = "sim";
const POLL: Duration = Duration::from_millis(20);
/// How often birth marks are looked at, as by the program.
const BIRTHS: Duration = Duration::from_secs(1);
/// A producer that is not through by then never will be.
const PATIENCE: Duration = Duration::from_mins(10);

/// Symbol and ids of each message, by its number.
type Messages = Arc<Mutex<BTreeMap<u64, (String, Vec<(u64, u64)>)>>>;

/// What a producer is made of.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) relay: RelayConfig,
    pub(super) spool: SpoolConfig,
    pub(super) dir: PathBuf,
    /// In the order of the router's targets.
    pub(super) ports: Vec<Port>,
    pub(super) trades: Arc<Vec<SourceTrade>>,
    pub(super) symbols: Symbols,
    pub(super) rate: u32,
    pub(super) history: History,
    pub(super) started: Instant,
    pub(super) plant: Option<Plant>,
    pub(super) messages: Messages,
    pub(super) lives: u32,
    pub(super) running: Option<JoinHandle<anyhow::Result<Relayed>>>,
}

impl Producer {
    /// Starts it, on whatever an earlier one has left.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.lives += 1;
        let (spool, recovery) = Spool::open(&self.dir, self.spool.clone())?;
        let (pid, recovered) = (self.lives, recovery.records);
        self.history.record(Event::ProducerStarted { pid, recovered });
        let mut cursor = Cursor::new();
        while let Some(record) = spool.read(&mut cursor)? {
            if let Ok(batch) = message::decode(record.body.as_bytes(), &self.symbols) {
                spooled(&self.history, &self.messages, record.sequence, &batch);
            }
        }
        let marked = spool.marked()?.and_then(|text| Position::parse(&text, SOURCE));
        let position = marked.unwrap_or_else(|| Position::start(SOURCE));
        let taken = usize::try_from(position.taken).context("read how far the source is")?;
        let started = self.started;
        let clock_ms =
            move || START_MS + u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (history, messages) = (self.history.clone(), Arc::clone(&self.messages));
        let tell = move |event: Told<'_>| tell(&history, &messages, &event);
        // Another life draws other waits.
        let seed = self.relay.seed ^ u64::from(self.lives);
        let config = RelayConfig { seed, ..self.relay.clone() };
        let relay = Relay::new(config, spool, self.ports.clone(), clock_ms, tell);
        let relay = relay.resuming(position);
        let route = relay.route();
        self.history.record(routed(&route, 0, "start"));
        let (sender, receiver) = mpsc::channel(CHANNEL_TRADES);
        let (trades, rate) = (Arc::clone(&self.trades), self.rate);
        // A producer with that bug looks at no cloud.
        let is_blind = self.plant == Some(Plant::NoBirthMark);
        let watched = if is_blind { Vec::new() } else { self.ports.clone() };
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
            let births = watch_births(&relay, &watched);
            let work = async { tokio::join!(relay.run(receiver), feed) };
            tokio::select! {
                // In this order, or no seed would give one history.
                biased;
                (relayed, ()) = work => Ok(relayed?),
                never = births => never,
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
        if self.plant == Some(Plant::SpoolForgetsTail) {
            planted::forget_tail(&self.dir)?;
        }
        Ok(())
    }

    /// Waits until everything is published.
    pub(super) async fn done(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let running = self.running.as_mut().context("the producer is not there")?;
        while !running.is_finished() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the producer has not published everything within {PATIENCE:?} after the last fault"
            );
            sleep(POLL).await;
        }
        let Relayed { trades, refused, .. } = running.await.context("run the producer")??;
        self.running = None;
        anyhow::ensure!(refused == 0, "{refused} messages stay in the spool: a cloud refuses them");
        self.history.record(Event::ProducerDone { trades });
        Ok(())
    }

    /// Whether it has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Looks at each cloud's birth mark, for as long as this is polled.
async fn watch_births(relay: &Relay<Port>, ports: &[Port]) -> ! {
    let each = ports.iter().map(|port| async move {
        loop {
            if let Ok(mark) = port.birth_mark().await {
                relay.observe_birth(port.cloud.name.as_str(), mark.as_deref());
            }
            sleep(BIRTHS).await;
        }
    });
    futures::future::join_all(each).await;
    std::future::pending().await
}

fn spooled(history: &History, messages: &Messages, sequence: u64, batch: &Batch) {
    let symbol = batch.symbol.to_string();
    let trade_ids = id_ranges(batch.trades.iter().map(|trade| trade.id));
    let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
    messages.insert(sequence, (symbol.clone(), trade_ids.clone()));
    history.record(Event::Spooled { message: sequence, symbol, trade_ids });
}

fn tell(history: &History, messages: &Messages, event: &Told<'_>) {
    let event = match event {
        Told::Spooled { sequence, batch } => return spooled(history, messages, *sequence, batch),
        Told::Accepted { target, sequence, is_first } => {
            let messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((symbol, trade_ids)) = messages.get(sequence).cloned() else { return };
            let Some(cloud) = CloudId::of_target(target) else { return };
            let (message, is_first) = (*sequence, *is_first);
            Event::Accepted { cloud, message, symbol, trade_ids, is_first }
        }
        Told::Unknown { target, why, .. } | Told::Refused { target, why, .. } => {
            let Some(cloud) = CloudId::of_target(target) else { return };
            Event::PublishFailed { cloud, error: (*why).to_owned() }
        }
        Told::Health { target, state } => {
            let Some(cloud) = CloudId::of_target(target) else { return };
            Event::Health { cloud, state: state.to_string() }
        }
        Told::Reborn { store: cloud, is_any } => {
            let Some(cloud) = CloudId::of_target(cloud) else { return };
            Event::Reborn { cloud, is_any: *is_any }
        }
        Told::Routed { route, epoch } => {
            let why = route.change.as_ref().map(|change| change.why.to_string());
            routed(route, *epoch, &why.unwrap_or_else(|| route.notes.join("; ")))
        }
        Told::Hedged { route, epoch } => routed(route, *epoch, &route.notes.join("; ")),
        // There are no orders by hand, so no lease either.
        Told::Fenced { .. } => return,
        Told::Full { error } => Event::SpoolFull { detail: error.to_string() },
    };
    history.record(event);
}

fn routed(route: &Route, epoch: u64, why: &str) -> Event {
    let publish = route.publish.iter().map(|(target, _)| target.clone()).collect();
    Event::Routed { publish, hedge: route.hedge.clone(), epoch, why: why.to_owned() }
}
