//! The producer as a service: the packed program with the environment of the rendered file and of the systemd unit, under a
//! supervisor that always restarts it.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State as Shared};
use axum::routing::get;
use futures::{SinkExt as _, StreamExt as _};
use infra::files::{self, ResolvedOutputs};
use infra::package::Service;
use infra::settings::Policy;
use producer::{Generator, SourceTrade};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::command::artifacts;

const UNIT: &str = include_str!("../../../../../infra/producer/twincloud-producer.service");
const TRADES: u64 = 12_000;
const SEED: u64 = 11;
/// A pause between two frames, long enough to kill the producer within the stream.
const APART: Duration = Duration::from_millis(2);

/// A stand-in for Binance: a stream that can be interrupted, and the same trades over REST.
struct Market {
    trades: Vec<SourceTrade>,
    next: AtomicUsize,
    is_open: AtomicBool,
}

impl Market {
    /// Gives its URLs, of the stream and of REST.
    async fn open(symbol: &Symbol) -> (Arc<Self>, String, String) {
        let trades = Generator::new(symbol.clone(), TRADES, SEED).collect();
        let market = Arc::new(Self { trades, next: 0.into(), is_open: false.into() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stream = format!("ws://{}", listener.local_addr().expect("an address"));
        tokio::spawn(Arc::clone(&market).stream(listener));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let rest = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/api/v3/historicalTrades", get(historical));
        let router = router.with_state(Arc::clone(&market));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (market, stream, rest)
    }

    async fn stream(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            if !self.is_open() {
                continue;
            }
            let market = Arc::clone(&self);
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else { return };
                while market.is_open() {
                    let Some(made) = market.trades.get(market.next.fetch_add(1, Ordering::SeqCst))
                    else {
                        // After the last frame the connection stays open.
                        while let (true, Some(Ok(_))) = (market.is_open(), socket.next().await) {}
                        return;
                    };
                    if socket.send(Message::text(Generator::frame(made))).await.is_err() {
                        return;
                    }
                    sleep(APART).await;
                }
            });
        }
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }
}

async fn historical(Shared(market): Shared<Arc<Market>>, RawQuery(query): RawQuery) -> String {
    let query = query.unwrap_or_default();
    let query: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| query[name].parse::<usize>().expect("a number");
    let (from, limit) = (number("fromId") as u64, number("limit"));
    let happened = market.trades.iter().take(market.next.load(Ordering::SeqCst));
    let rows = happened.filter(|made| made.trade.id >= from).take(limit).map(Generator::row);
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// A supervisor with the unit's environment and `Restart=always`.
struct Unit {
    health: String,
    pid: Arc<AtomicU32>,
    exit: JoinHandle<ExitStatus>,
    is_stopping: Arc<AtomicBool>,
}

impl Unit {
    fn start(scene: &Scene) -> Self {
        let port = StdListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.expect("a free port").to_string();
        let mut env: BTreeMap<String, String> = lines(UNIT, "Environment=").collect();
        let state = scene.path("state").display().to_string();
        for value in env.values_mut() {
            *value = value.replace("%S", &state);
        }
        env.insert("TWINCLOUD_LISTEN".to_owned(), address.clone());
        let rendered =
            files::render(&scene.settings, &ResolvedOutputs::default()).expect("it renders");
        files::write(&rendered, &scene.path("rendered")).expect("it is written");
        let file = std::fs::read_to_string(scene.path("rendered/producer.env")).expect("the file");
        env.extend(lines(&file, ""));
        // The variables of producer.local.env.
        let endpoints = scene.clouds.endpoints().into_iter();
        env.extend(endpoints.map(|(name, value)| (name.to_owned(), value)));

        assert!(UNIT.contains("\nRestart=always\n"));
        let log = std::fs::File::options().create(true).append(true).open(scene.path("log"));
        let log = log.expect("a log");
        let (pid, is_stopping) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let exit = tokio::spawn({
            let (pid, is_stopping) = (Arc::clone(&pid), Arc::clone(&is_stopping));
            async move {
                loop {
                    let mut command = Command::new(artifacts().join(Service::ALL[2].program()));
                    command.env_clear().envs(&env).kill_on_drop(true).stdin(Stdio::null());
                    command.stdout(Stdio::null()).stderr(log.try_clone().expect("the log"));
                    let mut child = command.spawn().expect("start the producer");
                    pid.store(child.id().unwrap_or_default(), Ordering::SeqCst);
                    let status = child.wait().await.expect("wait for the producer");
                    if is_stopping.load(Ordering::SeqCst) {
                        return status;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self { health: format!("http://{address}/healthz"), pid, exit, is_stopping }
    }

    fn signal(&self, name: &str) {
        signal(self.pid.load(Ordering::SeqCst), name);
    }

    /// Waits for this answer of the health check.
    async fn answers(&self, scene: &Scene, wanted: u16, trouble: &str) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < PATIENCE {
            if let Ok(answer) = client.get(&self.health).send().await {
                let status = answer.status().as_u16();
                let health: Value = answer.json().await.expect("JSON");
                last = format!("{status} {health}");
                if status == wanted && health["troubles"].to_string().contains(trouble) {
                    return;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it answers {last:?}, not {wanted}:\n{}", scene.log());
    }

    async fn stop(self) -> ExitStatus {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.signal("TERM");
        timeout(PATIENCE, self.exit).await.expect("it ends").expect("it is waited for")
    }
}

/// `NAME=VALUE` of the lines that begin so.
fn lines(text: &str, begin: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let (name, value) = line.strip_prefix(begin)?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_unit_killed_in_mid_stream_it_loses_nothing_and_tells_how_it_is() {
    let mut scene = Scene::start(Policy::Mirror).await;
    let symbol: Symbol = scene.settings.trading.symbols[0].parse().expect("a symbol");
    let (market, stream_url, rest_url) = Market::open(&symbol).await;
    scene.settings.producer.binance.stream_url = stream_url;
    scene.settings.producer.binance.rest_url = Some(rest_url);
    let status = scene.path("state/twincloud-producer/spool/status.json");
    // The status of a producer with this process, once it has got trades to a cloud.
    let accepting = async |unit: &Unit| {
        let started = Instant::now();
        loop {
            let pid = unit.pid.load(Ordering::SeqCst);
            match Status::read(&status) {
                Ok(status) if status.pid == pid && status.totals.accepted_trades > 0 => return,
                other => assert!(started.elapsed() < PATIENCE, "{other:?}:\n{}", scene.log()),
            }
            sleep(Duration::from_millis(20)).await;
        }
    };

    let unit = Unit::start(&scene);
    unit.answers(&scene, 503, "no connection to the stream").await;
    market.set_open(true);
    unit.answers(&scene, 200, "[]").await;
    for _ in 0..4 {
        accepting(&unit).await;
        unit.signal("KILL");
        unit.answers(&scene, 200, "[]").await;
    }
    market.set_open(false);
    unit.answers(&scene, 503, "no connection to the stream").await;
    market.set_open(true);
    unit.answers(&scene, 200, "[]").await;
    assert!(market.next.load(Ordering::SeqCst) < market.trades.len(), "killed in mid-stream");

    let trades = Trades::Generate { count: TRADES, seed: Some(SEED) };
    scene.converge(&scene.workload(trades), &[CloudId::Aws, CloudId::Gcp]).await;
    assert_eq!(unit.stop().await.code(), Some(143), "{}", scene.log());
    assert_eq!(Status::read(&status).expect("a status").phase, Phase::Stopped);
    Box::pin(scene.stop()).await;
}
