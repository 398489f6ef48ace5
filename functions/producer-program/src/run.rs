//! One run, from the spool that is there to the end of the source.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use candle::message::{self, Batch};
use candle::{Symbol, Symbols};
use outbound::Proxies;
use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::args::{Args, Source};
use super::clouds::{CloudOverrideStore, CloudQueue, Clouds};
use super::observer::{Fixed, Observer};
use super::source::{self, Pace, Stock};
use super::{End, Failure, health, overrides};
use crate::binance_ws::{BinanceConfig, Rate, listen};
use producer::config::{Binance, ProducerConfig};
use producer::events::{Event, Log, VERSION, now_us};
use producer::position::{Position, Settled};
use producer::relay::{Relay, RelayConfig, Relayed};
use producer::spool::{Cursor, Recovery, Spool, SpoolConfig, SpoolError};
use producer::status::Phase;
use producer::{SourceError, SourceTrade};

/// Trades between the source and the relay.
const CHANNEL_TRADES: usize = 16_384;
/// Longest and shortest time between two writes of the status.
const STATUS: Duration = Duration::from_secs(1);
const STATUS_LEAST: Duration = Duration::from_millis(100);
/// A connection to the stream on which nothing comes for so long, not even a ping, is given up.
const SILENCE: Duration = Duration::from_mins(1);
/// A stream that has brought no trade for so long is reported, in the health check too.
const QUIET: Duration = Duration::from_mins(30);
/// Timeout for spooling received trades after a signal: a full disk, or a full spool, would take for ever.
const STOP: Duration = Duration::from_secs(2);

/// The longest interval between two reads of the routing overrides, so that one takes effect within a second or so.
const OVERRIDES_EVERY: Duration = Duration::from_secs(1);

/// State that the tasks of a run share.
struct Run {
    relay: Relay<CloudQueue>,
    observer: Arc<Observer>,
    registers: Vec<(String, CloudOverrideStore)>,
    overrides_every: Duration,
    /// Timeout for an answer of an override store.
    patience: Duration,
}

pub(super) async fn run(args: Args) -> Result<End, Failure> {
    let mut signals = Signals::new().map_err(Failure::Environment)?;
    let seed = now_us() ^ u64::from(std::process::id());
    let config = ProducerConfig::load(args.config.as_deref(), variables())
        .map_err(|error| Failure::Environment(error.into()))?;
    let sign_in = args.sign_in().map_err(|error| Failure::Environment(anyhow!(error)))?;
    let relay =
        RelayConfig::of(&config, seed).map_err(|error| Failure::Environment(error.into()))?;
    let symbols = symbols(&args, &config).map_err(Failure::Usage)?;
    check(&args).map_err(Failure::Usage)?;
    let identity = source::identity(&args.source, &symbols).map_err(Failure::Usage)?;
    let trades = source::trades(&args, &symbols).map_err(|e| Failure::Usage(e.into()))?;

    let observer = Arc::new(observer(&args, &config));
    let (spool, recovery) = open(&args, SpoolConfig::of(&config), &observer).await?;
    if let Some(log) = log(&args).map_err(Failure::Environment)? {
        observer.log_to(log);
    }
    let position = take_up(&spool, &recovery, &identity, &observer).map_err(environment)?;
    let clouds = Clouds {
        config: &config,
        targets: &relay.router.targets.clone(),
        sign_in: sign_in.as_ref(),
    };
    let mut run = Run::new(&clouds, relay, spool, Arc::clone(&observer), position.clone()).await?;
    let settled = Arc::new(Settled::default());
    if trades.is_none() {
        run.relay = run.relay.keeping_gaps().settling(Arc::clone(&settled));
    }

    let (sender, receiver) = mpsc::channel(CHANNEL_TRADES);
    let stop = Arc::new(AtomicBool::new(false));
    let feed = if let Some(Stock { trades, counts }) = trades {
        let (pace, stop) = (Pace::of(&args), Arc::clone(&stop));
        let observer = Arc::clone(&observer);
        spawn_blocking(move || {
            let fed = source::feed(trades, position.taken, pace, &sender, &stop);
            if let Some(counts) = counts.filter(|_| !stop.load(Ordering::Relaxed)) {
                observer.read(&counts.lock().unwrap_or_else(PoisonError::into_inner));
            }
            fed.map_err(anyhow::Error::new)
        })
    } else {
        let binance = binance(&config.producer.binance, &symbols, position, seed);
        listen_to(binance, sender, settled, &observer)
    };
    run.all(receiver, feed, &stop, &mut signals).await
}

/// Binds the address of the health check, if there is one, serves it, and then opens the spool: an address in use is
/// reported before the spool is changed, and a probe is answered while the spool is opened, which takes the longer the
/// more is in it.
async fn open(
    args: &Args,
    config: SpoolConfig,
    observer: &Arc<Observer>,
) -> Result<(Spool, Recovery), Failure> {
    if let Some(address) = args.listen {
        let listener = health::bind(address).await.map_err(Failure::Environment)?;
        tokio::spawn(health::serve(listener, Arc::clone(observer)));
    }
    let path = args.spool.clone();
    let opened = spawn_blocking(move || Spool::open(&path, config)).await;
    opened.context("open the spool").map_err(Failure::Other)?.map_err(environment)
}

impl Run {
    async fn new(
        clouds: &Clouds<'_>,
        relay: RelayConfig,
        spool: Spool,
        observer: Arc<Observer>,
        position: Position,
    ) -> Result<Self, Failure> {
        let queues = clouds.queues(relay.publish_deadline).await.map_err(Failure::Environment)?;
        let (overrides_every, patience) = reads_of_overrides(relay.lease.unwrap_or(STATUS));
        let registers = clouds.registers(patience).await.map_err(Failure::Environment)?;
        let tell = {
            let observer = Arc::clone(&observer);
            move |event| observer.relay(event)
        };
        let clock_ms = || now_us() / 1_000;
        let relay = Relay::new(relay, spool, queues, clock_ms, tell).resuming(position);
        Ok(Self { relay, observer, registers, overrides_every, patience })
    }

    /// Everything at once, until the source has ended and all is where it is to be, or a signal comes.
    async fn all(
        &self,
        receiver: mpsc::Receiver<SourceTrade>,
        feed: JoinHandle<anyhow::Result<()>>,
        stop: &AtomicBool,
        signals: &mut Signals,
    ) -> Result<End, Failure> {
        health::end_where_it_hangs(Arc::clone(&self.observer));
        overrides::first_look(&self.relay, &self.registers).await;
        let view = self.relay.view();
        let epoch = view.order.as_ref().map_or(0, |order| order.epoch);
        self.observer.relay(Event::routed_because(&view.route, epoch, "start"));
        let ended = {
            let mut relay = pin!(self.relay.run(receiver));
            let (relay_too, every, patience) = (&self.relay, self.overrides_every, self.patience);
            let overrides =
                overrides::follow(relay_too, &self.registers, every, patience, overrides::say);
            let aside = async { tokio::join!(overrides, self.keep_status()) };
            let mut aside = pin!(aside);
            let first = tokio::select! {
                relayed = &mut relay => Ok(relayed),
                number = signals.next() => Err(number),
                _ = &mut aside => Ok(Ok(Relayed::default())),
            };
            match first {
                Ok(relayed) => self.done(relayed, feed).await,
                Err(number) => {
                    stop.store(true, Ordering::Relaxed);
                    feed.abort();
                    // Trades already received go into the spool; the clouds are not waited for.
                    let spooled = async {
                        tokio::select! {
                            _ = &mut relay => {}
                            () = self.relay.all_spooled() => {}
                        }
                    };
                    if timeout(STOP, spooled).await.is_err() {
                        eprintln!(
                            "producer: stopping with trades that are in no spool: the source has them"
                        );
                    }
                    Ok(End::Signal(number))
                }
            }
        };
        if let Ok(End::Signal(number)) = ended {
            self.relay.checkpoint().map_err(other)?;
            let signal = if number == 2 { "SIGINT" } else { "SIGTERM" };
            self.observer.log(Event::Stopped { signal: signal.to_owned() });
        }
        self.observer.end(match &ended {
            Ok(End::Done) => Phase::Done,
            Ok(End::Signal(_)) => Phase::Stopped,
            Err(_) => Phase::Failed,
        });
        self.observer.write_status(self.relay.view());
        ended
    }

    /// The relay has ended: is all where it is to be?
    async fn done(
        &self,
        relayed: Result<Relayed, SpoolError>,
        feed: JoinHandle<anyhow::Result<()>>,
    ) -> Result<End, Failure> {
        let Relayed { trades, messages, refused } = relayed.map_err(other)?;
        let fed = feed.await.context("read the source").and_then(|fed| fed);
        fed.map_err(|error| match error.downcast_ref::<SourceError>() {
            Some(read) if read.is_about_input() => Failure::Usage(error),
            _ => Failure::Other(error),
        })?;
        if refused > 0 {
            let why =
                "a cloud refuses them for good while it takes others (see the events `refused`)";
            let error = anyhow!("{refused} messages stay in the spool: {why}");
            return Err(Failure::Other(error));
        }
        self.observer.log(Event::Done { trades, messages });
        eprintln!("producer: done: {trades} trades in {messages} messages");
        Ok(End::Done)
    }

    async fn keep_status(&self) {
        loop {
            self.observer.write_status(self.relay.view());
            sleep(STATUS_LEAST).await;
            let _ =
                timeout(STATUS.saturating_sub(STATUS_LEAST), self.observer.news.notified()).await;
        }
    }
}

/// The interval of reading the routing overrides, and the longest time for one answer.
fn reads_of_overrides(lease: Duration) -> (Duration, Duration) {
    let every = OVERRIDES_EVERY.min(lease / 3);
    (every, (lease / 3).max(every))
}

/// The variables of the environment that are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn other(error: SpoolError) -> Failure {
    Failure::Other(error.into())
}

fn environment(error: SpoolError) -> Failure {
    Failure::Environment(error.into())
}

/// The symbols that were asked for.
fn symbols(args: &Args, config: &ProducerConfig) -> anyhow::Result<Symbols> {
    let known = &config.trading.symbols;
    let unknown = args.symbols.iter().find(|symbol| !known.contains(symbol));
    if let Some(symbol) = unknown {
        let known: Vec<_> = known.iter().map(Symbol::as_str).collect();
        let known = known.join(", ");
        return Err(anyhow!(
            "--symbol {symbol}: the functions take {known} only, and another one for poison; add it to trading.symbols and deploy"
        ));
    }
    let asked = if args.symbols.is_empty() { known } else { &args.symbols };
    Ok(asked.iter().cloned().collect())
}

fn check(args: &Args) -> anyhow::Result<()> {
    let is_paced =
        args.rate.is_some() || args.speed != "max".parse().map_err(|e: String| anyhow!(e))?;
    if args.source == Source::Binance && is_paced {
        return Err(anyhow!("--speed and --rate are for recordings: Binance sends as it likes"));
    }
    Ok(())
}

fn observer(args: &Args, config: &ProducerConfig) -> Observer {
    let fixed = Fixed {
        source: args.source.to_string(),
        is_stream: args.source == Source::Binance,
        policy: config.route.policy.as_str().to_owned(),
        spool_max_bytes: SpoolConfig::of(config).max_bytes,
        status: args.status.clone().unwrap_or_else(|| args.spool.join("status.json")),
    };
    Observer::new(fixed)
}

/// The file of events, if there is to be one. Opened after the spool: another producer that has the spool may write to it.
fn log(args: &Args) -> anyhow::Result<Option<Log>> {
    let log = args
        .events
        .as_deref()
        .map(|path| Log::open(path).with_context(|| format!("open the events {}", path.display())));
    log.transpose()
}

/// Tells of what an earlier producer has left, and says where the source goes on.
fn take_up(
    spool: &Spool,
    recovery: &Recovery,
    identity: &str,
    observer: &Observer,
) -> Result<Position, SpoolError> {
    observer.log(Event::Started {
        version: VERSION,
        pid: std::process::id(),
        recovered_messages: recovery.records,
        torn_bytes: recovery.torn_bytes,
    });
    for damage in &recovery.damaged {
        let (path, at, bytes) = (damage.path.display(), damage.at, damage.bytes);
        eprintln!("producer: {path} is damaged: {bytes} bytes from byte {at} on can't be read");
    }
    let mut cursor = Cursor::new();
    while let Some(record) = spool.read(&mut cursor)? {
        if let Some(batch) = decode(&record.body) {
            observer.recovered(record.sequence, &batch, spool.was_accepted(record.sequence));
        }
    }
    let marked = spool.marked()?;
    let (position, why) = match &marked {
        None => (Position::start(identity), "nothing is written down".to_owned()),
        Some(text) => match Position::parse(text, identity) {
            Some(position) => (position, "what comes before is spooled".to_owned()),
            None => (
                Position::start(identity),
                format!("what is written down is of another source: {text}"),
            ),
        },
    };
    if recovery.records > 0 || position.taken > 0 {
        let (found, left) = (recovery.records, recovery.unaccepted);
        let (torn, taken) = (recovery.torn_bytes, position.taken);
        eprintln!(
            "producer: the spool has {found} messages, {left} of them in no cloud ({torn} torn bytes cut off); \
             going on behind trade {taken} of the source: {why}"
        );
    }
    let (source, taken) = (identity.to_owned(), position.taken);
    observer.log(Event::Resumed { source, taken, why });
    Ok(position)
}

/// A message of whatever symbol: the settings may have been others when it was spooled.
fn decode(body: &str) -> Option<Batch> {
    #[derive(Deserialize)]
    struct Head {
        symbol: Symbol,
    }
    let head: Head = serde_json::from_str(body).ok()?;
    message::decode(body.as_bytes(), &Symbols::new([head.symbol])).ok()
}

fn binance(exchange: &Binance, symbols: &Symbols, position: Position, seed: u64) -> BinanceConfig {
    BinanceConfig {
        stream_url: exchange.stream_url.clone(),
        rest_url: exchange.rest_url.clone(),
        symbols: symbols.iter().cloned().collect(),
        last_ids: position.last_ids,
        missing: position.missing,
        connect_timeout: Duration::from_secs(10),
        silence: SILENCE,
        quiet: QUIET,
        lifetime: Duration::from_hours(23),
        backoff_base: Duration::from_millis(500),
        backoff_cap: Duration::from_secs(30),
        settled_after: Duration::from_mins(1),
        // A third and a half of what is allowed: others may share the address.
        connects: Rate { most: 100, window: Duration::from_mins(5) },
        requests: Rate { most: 120, window: Duration::from_mins(1) },
        proxies: Arc::new(Proxies::from_env()),
        gap_max_trades: exchange.gap_max_trades.into(),
        gap_timeout: Duration::from_secs(30),
        again_base: Duration::from_mins(1),
        again_cap: Duration::from_hours(1),
        seed,
    }
}

fn listen_to(
    config: BinanceConfig,
    sender: mpsc::Sender<SourceTrade>,
    settled: Arc<Settled>,
    observer: &Arc<Observer>,
) -> JoinHandle<anyhow::Result<()>> {
    let observer = Arc::clone(observer);
    tokio::spawn(async move {
        let tell = |event: crate::binance_ws::BinanceEvent<'_>| observer.binance(&event);
        listen(&config, sender, settled, tell).await.map_err(anyhow::Error::new)
    })
}

/// The signals that end a producer.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use clap::Parser as _;

    use super::super::observer::tests::observer;
    use super::*;
    use producer::spool::Sync;

    /// The arguments of a producer with a health check.
    fn args(address: SocketAddr, spool: &Path) -> Args {
        let words = ["producer", "--source", "binance", "--listen", &address.to_string()];
        let words = words.map(str::to_owned).into_iter();
        Args::parse_from(words.chain(["--spool".to_owned(), spool.display().to_string()]))
    }

    fn config() -> SpoolConfig {
        SpoolConfig {
            sync: Sync::Never,
            max_bytes: 10_000,
            segment_bytes: 1_000,
            window: Duration::from_mins(1),
            targets: vec!["aws".to_owned()],
        }
    }

    /// The status code and the body that the health check answers with.
    async fn probe(address: SocketAddr) -> reqwest::Result<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        let url = format!("http://{address}{}", health::PATH);
        let response = client.build()?.get(url).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    #[test]
    fn overrides_are_read_every_second_or_several_times_a_lease() {
        let s = Duration::from_secs;
        assert_eq!(reads_of_overrides(s(15)), (s(1), s(5)));
        assert_eq!(reads_of_overrides(s(3)), (s(1), s(1)));
    }

    #[tokio::test]
    async fn an_address_in_use_is_reported_before_the_spool_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool");
        let observer = Arc::new(observer(dir.path().join("status.json")));
        let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = used.local_addr().unwrap();
        let args = args(address, &spool);
        let Err(Failure::Environment(error)) = open(&args, config(), &observer).await else {
            panic!("the address is in use")
        };
        let text = format!("{error:#}");
        assert!(text.starts_with(&format!("listen on {address} (--listen")), "{text}");
        assert!(!spool.exists(), "no spool is made");
        drop(used);
        open(&args, config(), &observer).await.unwrap();
        assert_eq!(probe(address).await.unwrap().0, 503);
        assert!(spool.exists());
    }

    #[tokio::test]
    async fn the_health_check_answers_while_the_spool_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        // The spool reads its acknowledgements from a pipe, so opening it takes until the pipe is closed here.
        let acks = spool.join("acks");
        assert!(std::process::Command::new("mkfifo").arg(&acks).status().unwrap().success());
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let args = args(address, &spool);
        let observer = Arc::new(observer(dir.path().join("status.json")));
        let opening = tokio::spawn(async move { open(&args, config(), &observer).await });
        // A pipe is opened for writing once it is opened for reading: the spool is being opened.
        let (sender, pipe) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || sender.send(std::fs::OpenOptions::new().write(true).open(acks)));
        let pipe = timeout(Duration::from_secs(5), pipe).await.unwrap().unwrap().unwrap();
        let answer = probe(address).await;
        let is_opening = !opening.is_finished();
        drop(pipe);
        opening.await.unwrap().unwrap();
        let (code, body) = answer.unwrap();
        assert_eq!(code, 503);
        assert!(body.contains(r#""troubles":["it starts"]"#), "{body}");
        assert!(is_opening);
    }
}
