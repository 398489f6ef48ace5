//! The stream through an HTTP proxy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use outbound::Proxies;
use producer_program::binance_ws::{BinanceConfig, BinanceEvent, Rate, listen};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

const FRAME: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":7,"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}}"#;

/// A proxy that notes what it is asked, and takes everyone to `to`, or refuses with `refusal`.
async fn proxy(to: String, refusal: &'static str, asked: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            asked.lock().unwrap().push(String::from_utf8(request).unwrap());
            if !refusal.is_empty() {
                let _ = stream.write_all(refusal.as_bytes()).await;
                continue;
            }
            let mut there = TcpStream::connect(&to).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
                .await
                .unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut there).await });
        }
    });
    address
}

/// Listens until a trade comes, or until it is told why the connection can't be made.
async fn first(stream_url: String, proxies: Proxies) -> Result<u64, String> {
    let often = Rate { most: usize::MAX, window: Duration::from_secs(1) };
    let config = BinanceConfig {
        stream_url,
        rest_url: None,
        symbols: vec!["BTCUSDT".parse().unwrap()],
        last_ids: BTreeMap::new(),
        missing: BTreeMap::new(),
        connect_timeout: Duration::from_secs(5),
        silence: Duration::from_secs(20),
        quiet: Duration::from_secs(20),
        lifetime: Duration::from_hours(1),
        backoff_base: Duration::from_mins(1),
        backoff_cap: Duration::from_mins(1),
        settled_after: Duration::ZERO,
        connects: often,
        requests: often,
        proxies: Arc::new(proxies),
        gap_max_trades: 1,
        gap_timeout: Duration::from_secs(1),
        again_base: Duration::from_mins(1),
        again_cap: Duration::from_mins(1),
        seed: 1,
    };
    let (sender, mut trades) = mpsc::channel(16);
    let (failed, mut whys) = mpsc::channel(16);
    let tell = move |event: BinanceEvent<'_>| {
        if let BinanceEvent::Disconnected { why } = event {
            let _ = failed.try_send(why);
        }
    };
    let listening =
        tokio::spawn(async move { listen(&config, sender, Arc::default(), tell).await });
    let heard = timeout(Duration::from_secs(20), async {
        tokio::select! {
            made = trades.recv() => Ok(made.unwrap().trade.id),
            why = whys.recv() => Err(why.unwrap()),
        }
    });
    let heard = heard.await.expect("something comes");
    listening.abort();
    heard
}

/// A stream that sends one trade; its address.
async fn stream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = accept_async(stream).await else { continue };
            let _ = socket.send(Message::text(FRAME)).await;
            tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        }
    });
    address
}

#[tokio::test]
async fn the_stream_comes_through_the_proxy() {
    let asked = Arc::default();
    let proxy = proxy(stream().await, "", Arc::clone(&asked)).await;
    let proxies = Proxies::new(&format!("http://me:secret@{proxy}"), "", "");
    assert_eq!(first("ws://stream.example.test:9443".to_owned(), proxies).await, Ok(7));
    let asked = asked.lock().unwrap().clone();
    let expected = "CONNECT stream.example.test:9443 HTTP/1.1\r\nHost: stream.example.test:9443\r\n\
                    Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    assert_eq!(asked, [expected]);
}

#[tokio::test]
async fn a_secure_stream_asks_its_own_proxy_and_no_proxy_counts() {
    let asked = Arc::default();
    let proxy =
        proxy("127.0.0.1:9".to_owned(), "HTTP/1.1 503 Busy\r\n\r\n", Arc::clone(&asked)).await;
    let proxies = |no: &str| Proxies::new("http://127.0.0.1:9", &format!("http://{proxy}"), no);
    let why = first("wss://stream.example.test".to_owned(), proxies("")).await.unwrap_err();
    assert!(why.contains("503 Busy") && why.contains("stream.example.test:443"), "{why}");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let why = first("wss://stream.invalid".to_owned(), proxies("a, invalid")).await.unwrap_err();
    assert!(!why.contains("proxy"), "{why}");
    assert_eq!(asked.lock().unwrap().len(), 1, "it was not asked");
}

#[tokio::test]
async fn a_proxy_that_wants_a_user_is_told_so_without_the_password() {
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    let proxy = proxy(String::new(), refusal, Arc::default()).await;
    let proxies = Proxies::new(&format!("http://me:secret@{proxy}"), "", "");
    let why = first("ws://stream.example.test".to_owned(), proxies).await.unwrap_err();
    assert!(
        why.contains("407") && why.contains("USER:PASSWORD") && !why.contains("secret"),
        "{why}"
    );
    assert!(!why.contains("bWU6c2VjcmV0"), "{why}");
}

#[tokio::test]
async fn a_stream_on_this_machine_needs_no_proxy() {
    let proxies = || Proxies::new("http://127.0.0.1:9", "http://127.0.0.1:9", "");
    let near = stream().await;
    assert_eq!(first(format!("ws://{near}"), proxies()).await, Ok(7));
    let near = near.replace("127.0.0.1", "localhost");
    assert_eq!(first(format!("ws://{near}"), proxies()).await, Ok(7));
}
