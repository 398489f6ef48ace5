//! The WebSocket source against a server on loopback that plays Binance and misbehaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candle::{IdRanges, Symbol};
use futures::{SinkExt as _, StreamExt as _};
use outbound::Proxies;
use producer::{Generator, Recording, SourceTrade};
use producer_program::binance_ws::{BinanceConfig, BinanceEvent, Rate, listen};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// No limit that a test meets.
const OFTEN: Rate = Rate { most: usize::MAX, window: Duration::from_secs(1) };

/// End of a connection of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// The TCP connection goes.
    Drop,
    /// So it does within a frame.
    HalfFrame,
    /// A close frame with a code.
    Close(u16),
    /// Pings, and goes on only if the answer comes; then closes.
    Ping,
    /// A frame that is no trade at all, and one that is not JSON; then drops.
    Nonsense,
    /// Nothing more comes, and the connection stays.
    Silence,
    /// Pings alone come for a second; then comes a trade, and the TCP connection goes.
    Pings,
    /// Pings alone come for 100 ms; then the TCP connection goes.
    Idle,
    /// A trade comes, and the TCP connection goes.
    Trade,
    /// It is not taken.
    Refuse,
}

const ENDS: [End; 8] = [
    End::Drop,
    End::HalfFrame,
    End::Close(1001),
    End::Ping,
    End::Close(1008),
    End::Nonsense,
    End::Refuse,
    End::Drop,
];

/// A market that goes on whether or not anybody listens.
struct Market {
    trades: Vec<SourceTrade>,
    /// The next trade to happen.
    next: AtomicU64,
    connections: AtomicU64,
    pongs: AtomicU64,
    streams: Mutex<BTreeSet<String>>,
}

impl Market {
    fn new(trades: Vec<SourceTrade>) -> Arc<Self> {
        let (next, connections, pongs) = Default::default();
        Arc::new(Self { trades, next, connections, pongs, streams: Mutex::default() })
    }

    fn happen(&self) -> Option<&SourceTrade> {
        self.trades.get(usize::try_from(self.next.fetch_add(1, Ordering::SeqCst)).unwrap())
    }

    fn is_over(&self) -> bool {
        self.next.load(Ordering::SeqCst) >= self.trades.len() as u64
    }
}

/// Serves some trades a connection and ends each as `ends` says; a few trades happen in between, unheard.
async fn serve(
    listener: TcpListener,
    market: Arc<Market>,
    per_connection: u64,
    ends: &'static [End],
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let number = market.connections.fetch_add(1, Ordering::SeqCst);
        let end = ends[usize::try_from(number).unwrap() % ends.len()];
        if end == End::Refuse && !market.is_over() {
            continue;
        }
        let mut request = [0; 512];
        let peeked = stream.peek(&mut request).await.unwrap();
        let line = String::from_utf8_lossy(&request[..peeked])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        market.streams.lock().unwrap().insert(line);
        let Ok(mut socket) = accept_async(stream).await else { continue };
        if number > 0 {
            for _ in 0..number % 4 {
                // Never the last: a gap shows itself by what comes after it.
                if market.next.load(Ordering::SeqCst) + 1 < market.trades.len() as u64 {
                    market.happen();
                }
            }
        }
        for _ in 0..per_connection {
            let Some(made) = market.happen() else { break };
            let frame = Generator::frame(made);
            if socket.send(Message::text(frame)).await.is_err() {
                break;
            }
        }
        if market.is_over() {
            // The listener has what there is, and leaves.
            while let Some(Ok(_)) = socket.next().await {}
            continue;
        }
        finish(socket, end, &market).await;
    }
}

async fn finish(mut socket: WebSocketStream<TcpStream>, end: End, market: &Market) {
    match end {
        End::Drop | End::Refuse => {}
        End::HalfFrame => {
            // A text frame of 100 bytes, of which 20 come.
            let half = [&[0x81_u8, 100][..], &[b'x'; 20]].concat();
            let _ = socket.get_mut().write_all(&half).await;
        }
        End::Close(code) => {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "see you".into() };
            let _ = socket.close(Some(frame)).await;
        }
        End::Ping => {
            let _ = socket.send(Message::Ping("are you there".into())).await;
            let answer = timeout(Duration::from_secs(5), socket.next()).await;
            let Ok(Some(Ok(Message::Pong(payload)))) = answer else {
                panic!("a ping was answered by {answer:?}")
            };
            assert_eq!(&payload[..], b"are you there");
            market.pongs.fetch_add(1, Ordering::SeqCst);
        }
        End::Nonsense => {
            let _ = socket.send(Message::text(r#"{"result":null,"id":1}"#)).await;
            let _ = socket.send(Message::text("{")).await;
            let _ = socket.send(Message::binary(vec![0xff, 0xfe])).await;
        }
        End::Pings => {
            ping(&mut socket, 20).await;
            trade(&mut socket, market).await;
        }
        End::Idle => ping(&mut socket, 2).await,
        End::Trade => trade(&mut socket, market).await,
        End::Silence => while let Some(Ok(_)) = socket.next().await {},
    }
}

/// Sends a ping every 50 ms.
async fn ping(socket: &mut WebSocketStream<TcpStream>, times: u64) {
    for _ in 0..times {
        let _ = socket.send(Message::Ping("still there".into())).await;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn trade(socket: &mut WebSocketStream<TcpStream>, market: &Market) {
    let made = market.happen().expect("the market is not over");
    let _ = socket.send(Message::text(Generator::frame(made))).await;
}

/// `historicalTrades` over what has happened; `failing` requests of ten are answered by 500, and ids that it
/// `lacks` are not there.
async fn rest(listener: TcpListener, market: Arc<Market>, failing: u64, lacks: fn(u64) -> bool) {
    let mut number = 0;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        number += 1;
        let mut lines = BufReader::new(&mut stream).lines();
        let request = lines.next_line().await.unwrap().unwrap_or_default();
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        let query = request.split(['?', ' ']).nth(2).unwrap_or_default();
        let query: BTreeMap<_, _> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let (from, limit): (u64, usize) =
            (query["fromId"].parse().unwrap(), query["limit"].parse().unwrap());
        assert!(
            request.starts_with("GET /api/v3/historicalTrades?") && limit <= 1_000,
            "{request}"
        );
        let happened = usize::try_from(market.next.load(Ordering::SeqCst)).unwrap();
        let trades = market
            .trades
            .iter()
            .take(happened)
            .filter(|made| made.symbol.as_str() == query["symbol"]);
        let rows: Vec<_> = trades
            .filter(|made| made.trade.id >= from && !lacks(made.trade.id))
            .take(limit)
            .map(Generator::row)
            .collect();
        let body = format!("[{}]", rows.join(","));
        let (status, body) =
            if number % 10 < failing { ("500 Oops", String::new()) } else { ("200 OK", body) };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 64]).await;
    }
}

/// Events and trades of a run.
#[derive(Default)]
struct Heard {
    trades: Vec<SourceTrade>,
    filled: IdRanges,
    missing: IdRanges,
    settled: IdRanges,
    connected: u64,
    bad: u64,
    whys: Vec<String>,
    /// The time without a trade each time that it was told; none where trades were told again.
    quiet: Vec<Option<Duration>>,
}

/// Number of requests in ten that fail, and a predicate for ids that are missing.
type Flaws = (u64, fn(u64) -> bool);

struct Setting {
    per_connection: u64,
    ends: &'static [End],
    rest: Option<Flaws>,
    silence: Duration,
    quiet: Duration,
    lifetime: Duration,
    /// The ceiling of the pauses before what is missing is asked for again.
    again: Duration,
    /// State of an earlier producer: the last trade, and the ids that it missed.
    earlier: Option<(u64, IdRanges)>,
    /// Ends when so many trades have come; else with the market's last one.
    until: Option<usize>,
}

/// Listens until what is waited for has come.
async fn run(market: &Arc<Market>, setting: Setting) -> Heard {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (streams, answers) = (bind().await.unwrap(), bind().await.unwrap());
    let url = |scheme: &str, listener: &TcpListener| {
        format!("{scheme}://{}", listener.local_addr().unwrap())
    };
    let symbols: BTreeSet<Symbol> = market.trades.iter().map(|made| made.symbol.clone()).collect();
    let (mut last_ids, mut missing) = (BTreeMap::new(), BTreeMap::new());
    if let Some((last, passed_over)) = setting.earlier {
        let [symbol, no_longer]: [Symbol; 2] =
            ["BTCUSDT", "NOLONGER"].map(|name| name.parse().unwrap());
        last_ids.insert(symbol.clone(), last);
        missing.insert(symbol, passed_over);
        // No stream subscribes to it any more, so it is not requested.
        missing.insert(no_longer, [1..=5].into_iter().collect());
    }
    let config = BinanceConfig {
        last_ids,
        missing,
        stream_url: url("ws", &streams),
        rest_url: setting.rest.map(|_| url("http", &answers)),
        symbols: symbols.into_iter().collect(),
        connect_timeout: Duration::from_secs(5),
        silence: setting.silence,
        quiet: setting.quiet,
        lifetime: setting.lifetime,
        backoff_base: Duration::from_millis(1),
        backoff_cap: Duration::from_millis(4),
        settled_after: Duration::ZERO,
        connects: OFTEN,
        requests: OFTEN,
        proxies: Arc::new(Proxies::new("", "", "")),
        gap_max_trades: 5_000,
        gap_timeout: Duration::from_secs(10),
        again_base: setting.again,
        again_cap: setting.again,
        seed: 1,
    };
    let server =
        tokio::spawn(serve(streams, Arc::clone(market), setting.per_connection, setting.ends));
    let answers = setting
        .rest
        .map(|(failing, lacks)| tokio::spawn(rest(answers, Arc::clone(market), failing, lacks)));
    let heard = Arc::new(Mutex::new(Heard::default()));
    let tell = {
        let heard = Arc::clone(&heard);
        move |event: BinanceEvent<'_>| {
            let mut heard = heard.lock().unwrap();
            match event {
                BinanceEvent::Connected => heard.connected += 1,
                BinanceEvent::Disconnected { why } => heard.whys.push(why),
                BinanceEvent::Quiet { lasting } => heard.quiet.push(Some(lasting)),
                BinanceEvent::Trading => heard.quiet.push(None),
                BinanceEvent::Filled { ids, .. } => heard.filled = heard.filled.union(&ids),
                BinanceEvent::Missing { ids, .. } => heard.missing = heard.missing.union(&ids),
                BinanceEvent::Settled { ids, .. } => heard.settled = heard.settled.union(&ids),
                BinanceEvent::Bad { .. } => heard.bad += 1,
            }
        }
    };
    let (sender, mut trades) = mpsc::channel(16);
    let listening =
        tokio::spawn(async move { listen(&config, sender, Arc::default(), tell).await });
    let last = market.trades.last().unwrap();
    let mut came = Vec::new();
    loop {
        let next = timeout(Duration::from_mins(1), trades.recv()).await;
        let made = next.unwrap_or_else(|_| panic!("after {} trades nothing more came", came.len()));
        came.push(made.unwrap());
        if setting.until.map_or(came.last() == Some(last), |count| came.len() == count) {
            break;
        }
    }
    drop(trades);
    timeout(Duration::from_secs(5), listening).await.unwrap().unwrap().unwrap();
    assert!(!server.is_finished(), "{:?}", server.await);
    server.abort();
    if let Some(answers) = answers {
        assert!(!answers.is_finished(), "{:?}", answers.await);
        answers.abort();
    }
    let mut heard = std::mem::take(&mut *heard.lock().unwrap());
    heard.trades = came;
    heard
}

fn setting(ends: &'static [End]) -> Setting {
    let (silence, lifetime) = (Duration::from_secs(20), Duration::from_hours(1));
    let rest: Option<Flaws> = Some((0, |_| false));
    let again = Duration::from_hours(1);
    let quiet = Duration::from_hours(1);
    let (earlier, until) = (None, None);
    Setting { per_connection: 8, ends, rest, silence, quiet, lifetime, again, earlier, until }
}

fn generated(count: u64) -> Vec<SourceTrade> {
    Generator::new("BTCUSDT".parse().unwrap(), count, 3).collect()
}

/// The recording beside the project.
fn recorded() -> Option<Vec<SourceTrade>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.join("binance-spot-btcusdt-2024-08-08.jsonl.gz");
    if !path.exists() {
        println!("skipped: there is no recording in {}", folder.display());
        return None;
    }
    Some(Recording::open(&path).unwrap().map(|recorded| recorded.unwrap().trade).collect())
}

#[tokio::test]
async fn a_thousand_reconnects_over_every_misbehaviour_lose_no_trade_of_the_recording() {
    let Some(trades) = recorded() else { return };
    let market = Market::new(trades);
    let heard = run(&market, setting(&ENDS)).await;
    assert_eq!(heard.trades, market.trades, "every trade, once, in order");
    assert!(heard.connected >= 800, "{} connections", heard.connected);
    assert!(market.connections.load(Ordering::SeqCst) >= 1_000, "{:?}", market.connections);
    assert!(heard.filled.count() > 1_000, "{} trades were fetched", heard.filled.count());
    assert!(heard.missing.is_empty(), "{}", heard.missing);
    assert!(market.pongs.load(Ordering::SeqCst) > 50);
    assert!(heard.bad >= 100, "{} bad frames", heard.bad);
    let why = heard.whys.join("\n");
    for part in ["code 1001: see you", "code 1008: see you", "connect to ws://", "read: "] {
        assert!(why.contains(part), "nothing ended with {part}");
    }
}

#[tokio::test]
async fn several_symbols_share_a_connection_and_have_gaps_of_their_own() {
    let made = ["BTCUSDT", "ETHUSDT"].map(|name| Generator::new(name.parse().unwrap(), 300, 5));
    let [btc, eth] = made;
    let trades: Vec<_> = btc.zip(eth).flat_map(|(btc, eth)| [btc, eth]).collect();
    let market = Market::new(trades);
    let heard = run(&market, setting(&ENDS)).await;
    for name in ["BTCUSDT", "ETHUSDT"] {
        let of = |trades: &[SourceTrade]| -> Vec<u64> {
            trades
                .iter()
                .filter(|made| made.symbol.as_str() == name)
                .map(|made| made.trade.id)
                .collect()
        };
        let (came, all) = (of(&heard.trades), of(&market.trades));
        // The last gap of the other symbol may still be open when the last trade comes.
        assert!(
            came.len() + 4 >= all.len() && all.starts_with(&came),
            "{name}: {} of {}",
            came.len(),
            all.len()
        );
    }
    let streams = market.streams.lock().unwrap();
    assert!(
        streams
            .iter()
            .any(|line| line.starts_with("GET /stream?streams=btcusdt@trade/ethusdt@trade ")),
        "{streams:?}"
    );
}

#[tokio::test]
async fn what_can_not_be_fetched_is_told_by_its_ids() {
    // No endpoint; one that fails half of the time; one that lacks every third trade.
    let cases: [Option<Flaws>; 3] = [None, Some((5, |_| false)), Some((0, |id| id % 3 == 0))];
    for rest in cases {
        let market = Market::new(generated(600));
        let heard = run(&market, Setting { rest, ..setting(&ENDS) }).await;
        let came: IdRanges = heard.trades.iter().map(|made| made.trade.id).collect();
        let all: IdRanges = market.trades.iter().map(|made| made.trade.id).collect();
        assert!(!heard.missing.is_empty(), "the case is one");
        assert_eq!(
            all.difference(&came),
            heard.missing,
            "told are those that are missing, no others"
        );
        assert_eq!(rest.is_none(), heard.filled.is_empty());
    }
}

#[tokio::test]
async fn what_could_not_be_fetched_at_first_is_asked_for_again() {
    let market = Market::new(generated(600));
    let flaws: Flaws = (5, |_| false);
    let again = Duration::from_millis(5);
    let all = Setting { rest: Some(flaws), again, until: Some(600), ..setting(&ENDS) };
    let heard = run(&market, all).await;
    assert!(!heard.missing.is_empty(), "some requests failed");
    assert!(
        heard.missing.difference(&heard.filled).is_empty(),
        "told as filled is what was missing"
    );
    let mut came = heard.trades;
    assert!(!came.is_sorted_by_key(|made| made.trade.id), "what came late came late");
    came.sort_unstable_by_key(|made| made.trade.id);
    assert_eq!(came, market.trades, "every trade, once");
}

#[tokio::test]
async fn what_an_earlier_producer_passed_over_is_asked_for() {
    let market = Market::new(generated(600));
    let first = market.trades[0].trade.id;
    for _ in 0..300 {
        market.happen();
    }
    // It left off at the 280th; the stream goes on with the 301st.
    let missing: IdRanges =
        [first + 100..=first + 119, first + 200..=first + 200].into_iter().collect();
    let earlier = Some((first + 279, missing.clone()));
    let until = Some(21 + 320);
    let heard = run(&market, Setting { earlier, until, ..setting(&ENDS) }).await;
    let came: IdRanges = heard.trades.iter().map(|made| made.trade.id).collect();
    let wanted = missing.union(&[first + 280..=first + 599].into_iter().collect());
    assert_eq!(came, wanted);
    assert_eq!(heard.missing, missing, "told once more");
}

#[tokio::test]
async fn a_connection_with_pings_alone_stays_and_is_told_once_as_quiet() {
    let market = Market::new(generated(33));
    let quiet = Duration::from_millis(200);
    let heard = run(&market, Setting { quiet, ..setting(&[End::Pings]) }).await;
    assert_eq!(heard.trades, market.trades);
    let times = usize::try_from(heard.connected).unwrap() - 1;
    assert!(times >= 2, "{times}");
    assert_quiet(&heard, quiet, times);
    let whys = heard.whys.join("\n");
    assert!(!whys.contains("came for") && !whys.contains("renewed"), "{whys}");
}

/// A time without a trade is told, and then trades again: so many times.
fn assert_quiet(heard: &Heard, quiet: Duration, times: usize) {
    let told: Vec<_> = heard.quiet.iter().map(Option::is_some).collect();
    assert_eq!(told, [true, false].repeat(times), "{:?}", heard.quiet);
    assert!(heard.quiet.iter().flatten().all(|lasting| *lasting >= quiet), "{:?}", heard.quiet);
}

#[tokio::test]
async fn the_time_without_a_trade_counts_over_connections_and_is_told_once() {
    use End::{Idle, Trade};
    // No connection lasts for the time; together they last for twice as long before a trade comes.
    let quiet = Duration::from_millis(250);
    let ends = &[Idle, Idle, Idle, Idle, Idle, Idle, Trade];
    let market = Market::new(generated(30));
    let heard = run(&market, Setting { per_connection: 0, quiet, ..setting(ends) }).await;
    let times = usize::try_from(heard.connected).unwrap() / ends.len();
    assert!(times >= 2, "{times}");
    assert_quiet(&heard, quiet, times);
}

#[tokio::test]
async fn a_silent_connection_is_given_up_and_an_old_one_renewed() {
    let market = Market::new(generated(60));
    let silence = Duration::from_millis(50);
    let heard = run(&market, Setting { silence, ..setting(&[End::Silence]) }).await;
    assert_eq!(heard.trades, market.trades);
    assert!(heard.whys.iter().all(|why| why == "nothing came for 50ms"), "{:?}", heard.whys);
    assert!(heard.connected >= 5);

    let market = Market::new(generated(60));
    let lifetime = Duration::from_millis(50);
    let heard = run(&market, Setting { lifetime, ..setting(&[End::Silence]) }).await;
    assert_eq!(heard.trades, market.trades);
    assert!(heard.whys.iter().all(|why| why == "renewed after 50ms"), "{:?}", heard.whys);
}
