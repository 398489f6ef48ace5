//! The Cloud Run service over HTTP, with clouds in memory behind it.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use candle::message::{self, Batch};
use candle::{Interval, Price, Quantity, Symbols, Trade};
use cloud_gcp::service::serve;
use cloud_memory::{MemoryArchive, MemoryStore};
use pipeline::ports::CandleStore as _;
use pipeline::{Backoff, Ingest};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Service {
    address: SocketAddr,
    store: MemoryStore,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Service {
    async fn start() -> Self {
        let store = MemoryStore::default();
        let backoff = Backoff::new(3, Duration::from_millis(1), Duration::from_millis(2), 1);
        let symbols = Symbols::new(["BTCUSDT".parse().expect("a symbol")]);
        let intervals = vec![Interval::M1];
        let ingest =
            Ingest::new(MemoryArchive::default(), store.clone(), symbols, intervals, backoff);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move { drop(stopped.await) };
        let serving = tokio::spawn(serve(listener, ingest, until));
        Self { address, store, stop: Some(stop), serving }
    }

    fn post(&self, body: &Value) -> RequestBuilder {
        Client::new().post(format!("http://{}/", self.address)).json(body)
    }

    async fn answer(&self, request: RequestBuilder) -> StatusCode {
        request.send().await.expect("an answer").status()
    }

    async fn trades(&self) -> u64 {
        let candles = self.store.scan(&"BTCUSDT".parse().expect("a symbol"), Interval::M1).await;
        candles.expect("candles").iter().map(candle::Candle::trades).sum()
    }
}

fn body(id: u64) -> String {
    let trade = Trade {
        id,
        time_ms: 1_723_161_255_342,
        price: Price::from_units(6_183_763_000_000).expect("a price"),
        quantity: Quantity::from_units(2_000_000).expect("a quantity"),
        buyer_is_maker: true,
    };
    message::encode(&Batch { symbol: "BTCUSDT".parse().expect("a symbol"), trades: vec![trade] })
}

fn push(id: u64, body: &str) -> Value {
    let message = json!({"data": STANDARD.encode(body), "messageId": id.to_string()});
    json!({"message": message, "subscription": "projects/p/subscriptions/s"})
}

#[tokio::test]
async fn a_2xx_acknowledges_and_anything_else_sends_back() {
    let service = Service::start().await;
    let good = service.post(&push(1, &body(1)));
    assert_eq!(service.answer(good).await, StatusCode::NO_CONTENT);
    let poison = service.post(&push(2, "nonsense"));
    assert_eq!(service.answer(poison).await, StatusCode::UNPROCESSABLE_ENTITY);
    let no_delivery = service.post(&json!({"hello": 1}));
    assert_eq!(service.answer(no_delivery).await, StatusCode::BAD_REQUEST);
    assert_eq!(service.trades().await, 1);
}

#[tokio::test]
async fn cloudevents_are_taken_in_both_modes() {
    let service = Service::start().await;
    let binary = service.post(&push(1, &body(1))).header("ce-specversion", "1.0");
    assert_eq!(service.answer(binary).await, StatusCode::NO_CONTENT);
    let event = json!({"specversion": "1.0", "id": "1", "source": "s",
        "type": "google.cloud.pubsub.topic.v1.messagePublished", "data": push(2, &body(2))});
    // Set before the body: `json` keeps an existing content type.
    let structured = Client::new()
        .post(format!("http://{}/", service.address))
        .header("content-type", "application/cloudevents+json; charset=utf-8")
        .json(&event);
    assert_eq!(service.answer(structured).await, StatusCode::NO_CONTENT);
    assert_eq!(service.trades().await, 2);
}

#[tokio::test]
async fn many_requests_at_once_all_get_their_own_answer() {
    let service = Service::start().await;
    let requests = (0..100).map(|id| {
        let bad = id % 10 == 3;
        let body = if bad { "nonsense".to_owned() } else { body(id) };
        let request = service.post(&push(id, &body));
        async move { (bad, request.send().await.expect("an answer").status()) }
    });
    for (bad, status) in futures::future::join_all(requests).await {
        let expected = if bad { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::NO_CONTENT };
        assert_eq!(status, expected);
    }
    assert_eq!(service.trades().await, 90);
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_has_and_takes_no_more() {
    let mut service = Service::start().await;
    let request = service.post(&push(1, &body(1)));
    let answer = tokio::spawn(async move { request.send().await.map(|answer| answer.status()) });
    // The request is in progress or answered: either way it must not be lost.
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(service.stop.take());
    assert_eq!(answer.await.expect("no panic").expect("an answer"), StatusCode::NO_CONTENT);
    let serving = tokio::time::timeout(Duration::from_secs(5), &mut service.serving).await;
    serving.expect("it ends").expect("no panic").expect("in order");
    assert!(service.post(&push(2, &body(2))).send().await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_push_that_is_larger_than_any_message_is_refused_unread() {
    let service = Service::start().await;
    let push = |bytes: usize| {
        let data = STANDARD.encode(vec![b'x'; bytes]);
        json!({ "message": { "data": data, "messageId": "1" }, "subscription": "s" })
    };
    let largest = service.answer(service.post(&push(message::MAX_BYTES))).await;
    assert_eq!(largest, StatusCode::UNPROCESSABLE_ENTITY, "read, and found to be no message");
    let larger = service.answer(service.post(&push(2 * message::MAX_BYTES))).await;
    assert_eq!(larger, StatusCode::PAYLOAD_TOO_LARGE);
}
