//! Answers of Binance's that are no trades, and how often it may be asked: against stubs that say exactly what they are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use candle::{IdRanges, Symbol, Trade};
use futures::{SinkExt as _, StreamExt as _};
use outbound::Proxies;
use producer::position::Settled;
use producer::{Generator, SourceTrade};
use producer_program::binance_ws::{BinanceConfig, BinanceEvent, Rate, listen};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Something for a test to wait for at most.
const PATIENCE: Duration = Duration::from_secs(30);

fn ids(ranges: &[(u64, u64)]) -> IdRanges {
    ranges.iter().map(|&(first, last)| first..=last).collect()
}

fn frame(id: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":{id},"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}}}}"#
    )
}

fn row(id: u64) -> String {
    let (price, quantity) = ("61837.63".parse().unwrap(), "0.02".parse().unwrap());
    let trade = Trade { id, time_ms: 1_723_161_255_342, price, quantity, buyer_is_maker: true };
    Generator::row(&SourceTrade { symbol: "BTCUSDT".parse().unwrap(), trade })
}

/// The behaviour of a connection of the stream.
#[derive(Clone)]
enum Connection {
    /// Sends these frames, then closes.
    Send(Vec<String>),
    /// Sends these frames, then stays.
    Stay(Vec<String>),
    /// Is answered by this head in the place of an upgrade.
    Answer(&'static str),
}

/// Reads the head of a request; gives its first line.
async fn head(stream: &mut TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next_line().await.unwrap().unwrap_or_default();
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    first
}

/// A stream whose connections do as they are told, the last of them for ever; notes when they were made.
async fn stream(
    listener: TcpListener,
    connections: Vec<Connection>,
    made: Arc<Mutex<Vec<Instant>>>,
) {
    let mut number = 0;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        made.lock().unwrap().push(Instant::now());
        let connection = connections[number.min(connections.len() - 1)].clone();
        number += 1;
        let (frames, stays) = match connection {
            Connection::Send(frames) => (frames, false),
            Connection::Stay(frames) => (frames, true),
            Connection::Answer(answer) => {
                head(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0; 64]).await;
                continue;
            }
        };
        tokio::spawn(async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            for frame in frames {
                if socket.send(Message::text(frame)).await.is_err() {
                    return;
                }
            }
            while stays && socket.next().await.is_some_and(|next| next.is_ok()) {}
        });
    }
}

type Answer = Box<dyn Fn(u64) -> String + Send>;

/// An endpoint that answers by the id that is asked for; notes the ids.
async fn rest(listener: TcpListener, answer: Answer, asked: Arc<Mutex<Vec<u64>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let line = head(&mut stream).await;
        let from = line.split("fromId=").nth(1).and_then(|rest| rest.split('&').next());
        let from: u64 = from.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        asked.lock().unwrap().push(from);
        stream.write_all(answer(from).as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 64]).await;
    }
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// The events that were heard, and the requests that the stubs saw.
#[derive(Default)]
struct Heard {
    came: Vec<u64>,
    settled: IdRanges,
    missing: IdRanges,
    whys: Vec<String>,
    asked: Vec<u64>,
    connected: Vec<Instant>,
}

struct Case {
    connections: Vec<Connection>,
    answer: Answer,
    config: fn(&mut BinanceConfig),
    missing: IdRanges,
}

impl Case {
    fn new(connections: Vec<Connection>, answer: impl Fn(u64) -> String + Send + 'static) -> Self {
        let answer = Box::new(answer);
        Self { connections, answer, config: |_| {}, missing: IdRanges::new() }
    }

    /// Listens until this is so.
    async fn until(self, is_enough: impl Fn(&Heard) -> bool) -> Heard {
        let [streams, answers] =
            [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await]
                .map(Result::unwrap);
        let btc: Symbol = "BTCUSDT".parse().unwrap();
        let often = Rate { most: usize::MAX, window: Duration::from_secs(1) };
        let mut config = BinanceConfig {
            stream_url: format!("ws://{}", streams.local_addr().unwrap()),
            rest_url: Some(format!("http://{}", answers.local_addr().unwrap())),
            symbols: vec![btc.clone()],
            last_ids: BTreeMap::new(),
            missing: BTreeMap::from([(btc.clone(), self.missing)]),
            connect_timeout: Duration::from_secs(5),
            silence: PATIENCE,
            quiet: PATIENCE,
            lifetime: Duration::from_hours(1),
            backoff_base: Duration::from_millis(1),
            backoff_cap: Duration::from_millis(4),
            settled_after: Duration::ZERO,
            connects: often,
            requests: often,
            proxies: Arc::new(Proxies::new("", "", "")),
            gap_max_trades: 100_000,
            gap_timeout: Duration::from_secs(10),
            again_base: Duration::from_millis(1),
            again_cap: Duration::from_millis(2),
            seed: 1,
        };
        (self.config)(&mut config);
        let (made, asked) = (Arc::default(), Arc::default());
        let servers = [
            tokio::spawn(stream(streams, self.connections, Arc::clone(&made))),
            tokio::spawn(rest(answers, self.answer, Arc::clone(&asked))),
        ];
        let heard = Arc::new(Mutex::new(Heard::default()));
        let tell = {
            let heard = Arc::clone(&heard);
            move |event: BinanceEvent<'_>| {
                let mut heard = heard.lock().unwrap();
                match event {
                    BinanceEvent::Settled { ids, why, .. } => {
                        heard.settled = heard.settled.union(&ids);
                        heard.whys.push(why);
                    }
                    BinanceEvent::Missing { ids, why, .. } => {
                        heard.missing = heard.missing.union(&ids);
                        heard.whys.push(why);
                    }
                    BinanceEvent::Disconnected { why } | BinanceEvent::Bad { why } => {
                        heard.whys.push(why);
                    }
                    BinanceEvent::Connected
                    | BinanceEvent::Quiet { .. }
                    | BinanceEvent::Trading
                    | BinanceEvent::Filled { .. } => {}
                }
            }
        };
        let (sender, mut trades) = mpsc::channel(16);
        let settled: Arc<Settled> = Arc::default();
        let listening = {
            let settled = Arc::clone(&settled);
            tokio::spawn(async move { listen(&config, sender, settled, tell).await })
        };
        let started = Instant::now();
        loop {
            // A wake-up now and then: some ends are told by events, not by a trade.
            if let Ok(made) = timeout(Duration::from_millis(5), trades.recv()).await {
                heard.lock().unwrap().came.push(made.unwrap().trade.id);
            }
            let mut heard = heard.lock().unwrap();
            heard.asked.clone_from(&asked.lock().unwrap());
            heard.connected.clone_from(&made.lock().unwrap());
            if is_enough(&heard) {
                break;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{:?}, missing {}, settled {}, asked for {:?}: {:?}",
                heard.came,
                heard.missing,
                heard.settled,
                heard.asked,
                heard.whys
            );
        }
        drop(trades);
        timeout(PATIENCE, listening).await.unwrap().unwrap().unwrap();
        for server in servers {
            assert!(!server.is_finished(), "{:?}", server.await);
            server.abort();
        }
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        assert_eq!(settled.of(&btc), heard.settled, "the position hears of them too");
        heard
    }
}

#[tokio::test]
async fn an_odd_row_costs_itself_and_not_the_page() {
    let page = |from: u64| {
        let rows = (from..=1_001).map(|id| match id {
            100 => row(id).replace(r#""qty":"0.02000000""#, r#""qty":"0.00000000""#),
            200 => row(id).replace(r#""price":"61837.63000000""#, r#""price":"NA""#),
            300 => row(id).replace(r#""time":1723161255342"#, r#""time":17231612553421230000"#),
            400 => row(id).replace(r#""time":1723161255342,"#, ""),
            _ => row(id),
        });
        let rows: Vec<_> = rows.chain(["null".to_owned(), "[1,2]".to_owned()]).collect();
        ok(&format!("[{}]", rows.join(",")))
    };
    let connection = Connection::Stay(vec![frame(1), frame(1_002)]);
    let heard = Case::new(vec![connection], page).until(|heard| heard.came.contains(&1_002)).await;
    let odd = ids(&[(100, 100), (200, 200), (300, 300), (400, 400)]);
    let good: Vec<u64> = (1..=1_002).filter(|id| !odd.contains(*id)).collect();
    assert_eq!(heard.came, good, "the others come, in order");
    assert_eq!((heard.settled, heard.missing), (odd, IdRanges::new()));
    assert_eq!(heard.asked, [2], "an odd row is an answer");
    assert!(heard.whys.iter().any(|why| why.contains("100")), "{:?}", heard.whys);
}

#[tokio::test]
async fn a_placeholder_of_the_stream_leaves_no_hole() {
    let placeholder =
        |id| frame(id).replace(r#""p":"61837.63","q":"0.02""#, r#""p":"0","q":"0","X":"NA""#);
    let frames = vec![frame(1), placeholder(2), placeholder(3), frame(4), frame(7)];
    let none = |_| ok("[]");
    let heard = Case::new(vec![Connection::Stay(frames)], none)
        .until(|heard| heard.came.contains(&7) && !heard.asked.is_empty())
        .await;
    assert_eq!(heard.came, [1, 4, 7]);
    assert_eq!(heard.settled, ids(&[(2, 3)]));
    assert_eq!(heard.missing, ids(&[(5, 6)]), "a true hole is one");
    assert!(heard.asked.iter().all(|from| *from == 5), "{:?}", heard.asked);
}

#[tokio::test]
async fn what_binance_itself_leaves_out_is_given_up() {
    // The endpoint has 1, 4 and what follows.
    let page = |from: u64| {
        let rows: Vec<_> = (from.max(4)..from.max(4) + 3).map(row).collect();
        ok(&format!("[{}]", rows.join(",")))
    };
    let case = Case::new(vec![Connection::Stay(vec![frame(1), frame(4)])], page);
    let heard = case.until(|heard| !heard.settled.is_empty()).await;
    assert_eq!((heard.came, heard.settled), (vec![1, 4], ids(&[(2, 3)])));
    assert_eq!(heard.asked, [2; 6], "once at once, five times after it");
}

#[tokio::test]
async fn after_a_429_no_gap_is_asked_for() {
    let refuse = |_| {
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 600\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_owned()
    };
    let frames = (0..=20).map(|n| frame(1 + 2 * n)).collect();
    let case = Case::new(vec![Connection::Stay(frames)], refuse);
    let heard = case.until(|heard| heard.came.contains(&41)).await;
    assert_eq!(heard.missing.count(), 20, "{}", heard.missing);
    assert_eq!(heard.asked, [2], "one request, whatever else is missing");
    let paused = |why: &&String| why.contains("nothing is asked for another");
    assert_eq!(heard.whys.iter().filter(paused).count(), 19, "{:?}", heard.whys);
}

#[tokio::test]
async fn what_an_earlier_producer_lacks_waits_for_the_end_of_a_pause() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let answer = move |from: u64| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return "HTTP/1.1 418 I'm a teapot\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        }
        ok(&format!("[{}]", row(from)))
    };
    let missing = ids(&[(1, 1), (3, 3), (5, 5)]);
    let case = Case { missing, ..Case::new(vec![Connection::Stay(vec![])], answer) };
    let began = Instant::now();
    let heard = case.until(|heard| heard.came.len() == 3).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(heard.asked.len(), 4, "{:?}", heard.asked);
}

#[tokio::test]
async fn a_refused_connection_is_made_again_when_it_may_be() {
    const REFUSED: &str =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let connections = vec![Connection::Answer(REFUSED), Connection::Stay(vec![frame(1)])];
    let heard = Case::new(connections, |_| ok("[]")).until(|heard| heard.came == [1]).await;
    let [first, second] = heard.connected[..] else { panic!("{:?}", heard.connected) };
    assert!(second - first >= Duration::from_secs(1), "{:?}", second - first);
    assert!(heard.whys[0].contains("answered 429: too many requests"), "{:?}", heard.whys);
}

#[tokio::test]
async fn a_server_that_cuts_each_connection_meets_a_budget() {
    let rate = Rate { most: 5, window: Duration::from_millis(400) };
    let case = Case::new(vec![Connection::Send(vec![frame(1)])], |_| ok("[]"));
    let config = |config: &mut BinanceConfig| {
        config.connects = Rate { most: 5, window: Duration::from_millis(400) };
    };
    let heard = Case { config, ..case }.until(|heard| heard.connected.len() >= 16).await;
    for window in heard.connected.windows(rate.most + 1) {
        let took = window[rate.most] - window[0];
        // Counted when a connection is begun, seen when it is accepted.
        assert!(took >= rate.window.mul_f32(0.75), "{} connections in {took:?}", window.len());
    }
}

#[tokio::test]
async fn one_trade_does_not_make_a_connection_a_good_one() {
    let took = |settled_after: fn(&mut BinanceConfig)| async move {
        let case = Case::new(vec![Connection::Send(vec![frame(1)])], |_| ok("[]"));
        let began = Instant::now();
        Case { config: settled_after, ..case }.until(|heard| heard.connected.len() >= 9).await;
        began.elapsed()
    };
    let short = took(|config| {
        config.backoff_base = Duration::from_millis(5);
        config.backoff_cap = Duration::from_mins(1);
        config.settled_after = Duration::from_mins(1);
    })
    .await;
    // The pauses are drawn from a seed: these eight have ceilings of 10 ms to 1.28 s.
    assert!(short >= Duration::from_millis(400), "{short:?}");
    let good = took(|config| {
        config.backoff_base = Duration::from_millis(5);
        config.backoff_cap = Duration::from_mins(1);
        config.settled_after = Duration::ZERO;
    })
    .await;
    assert!(good < short, "{good:?} and {short:?}");
}
