//! The Lambda function's handler with clouds in memory: no runtime, no network.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use candle::message::{self, Batch};
use candle::{Interval, Price, Quantity, Symbols, Trade};
use cloud_aws::function::handle;
use cloud_memory::{MemoryArchive, MemoryStore};
use pipeline::ports::CandleStore as _;
use pipeline::{Backoff, Ingest};
use serde_json::json;

fn ingest(store: &MemoryStore) -> Ingest<MemoryArchive, MemoryStore> {
    let backoff = Backoff::new(3, Duration::from_millis(1), Duration::from_millis(2), 1);
    let symbols = Symbols::new(["BTCUSDT".parse().expect("a symbol")]);
    Ingest::new(MemoryArchive::default(), store.clone(), symbols, vec![Interval::M1], backoff)
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

/// An event as SQS sends it, with fields that are not read.
fn event(bodies: &[&str]) -> SqsEvent {
    let record = |(n, body): (usize, &&str)| {
        json!({
            "messageId": format!("m{n}"), "receiptHandle": "r", "body": body,
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:q", "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({ "Records": records })).expect("an event")
}

fn failed(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

#[tokio::test]
async fn only_the_bad_messages_of_a_batch_come_again() {
    let store = MemoryStore::default();
    let bodies = [&body(1), "nonsense", &body(2), r#"{"v":2}"#];
    let response = handle(&ingest(&store), event(&bodies)).await.expect("a response");
    assert_eq!(failed(&response), ["m1", "m3"]);
    let wire = serde_json::to_value(&response).expect("JSON");
    assert_eq!(wire["batchItemFailures"][0]["itemIdentifier"], "m1", "the names that Lambda reads");
    let candles = store.scan(&"BTCUSDT".parse().expect("a symbol"), Interval::M1).await;
    assert_eq!(candles.expect("candles")[0].trades(), 2);
}

#[tokio::test]
async fn an_empty_event_is_no_failure() {
    let response = handle(&ingest(&MemoryStore::default()), event(&[])).await.expect("a response");
    assert!(failed(&response).is_empty());
}
