//! Faults of requests, the same for every protocol.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, HttpFault, Level, Loss, Match, Which};

use crate::servers::{grpc, hangs, http1, http2, proxy, read, request, web, within};

#[tokio::test]
async fn a_lost_response_has_had_its_effect() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let lost = Fault::http(HttpFault::LostResponse { loss: Loss::Connection }).times(1);
    proxy.faults().add(lost).unwrap();

    // An unsuccessful answer is not lost.
    let mut sender = http1(proxy.address()).await;
    let refused = within(sender.send_request(request("PUT", "/fail", &[], "a"))).await.unwrap();
    assert_eq!(read(refused).await.0, 409);
    let lost = within(sender.send_request(request("PUT", "/a", &[], "a"))).await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(server.asked(), ["PUT /fail a", "PUT /a a"]);

    let mut sender = http1(proxy.address()).await;
    let again = within(sender.send_request(request("PUT", "/a", &[], "a"))).await.unwrap();
    assert_eq!(read(again).await.0, 200);
    assert_eq!(events.fired().len(), 1);
}

#[tokio::test]
async fn a_lost_stream_leaves_its_connection_alone() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let lost = HttpFault::LostResponse { loss: Loss::Stream };
    let id = proxy.faults().add(Fault::http(lost).times(1)).unwrap();
    let mut sender = http2(proxy.address()).await;
    // The status of gRPC is in the trailers: this one failed.
    let (_, trailers, _) = read(within(sender.send_request(grpc("Fail"))).await.unwrap()).await;
    assert_eq!(trailers["grpc-status"], "5");
    assert_eq!(proxy.faults().fired(id), 0);
    let error = within(sender.send_request(grpc("Publish"))).await.expect_err("it is lost");
    let source = std::error::Error::source(&error).expect("a cause");
    let reason = source.downcast_ref::<h2::Error>().and_then(h2::Error::reason);
    assert_eq!(reason, Some(h2::Reason::CANCEL));
    let (_, trailers, _) = read(within(sender.send_request(grpc("Publish"))).await.unwrap()).await;
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_lost_connection_takes_the_streams_of_http2_along() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let lost = HttpFault::LostResponse { loss: Loss::Connection };
    proxy.faults().add(Fault::http(lost).times(1)).unwrap();
    let mut sender = http2(proxy.address()).await;
    assert!(within(sender.send_request(grpc("Publish"))).await.is_err());
    assert!(within(sender.send_request(grpc("Publish"))).await.is_err());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_lost_request_has_no_effect() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let lost = Fault::http(HttpFault::LostRequest { loss: Loss::Connection });
    proxy.faults().add(lost.on(Match::path("/a"))).unwrap();
    let mut sender = http1(proxy.address()).await;
    assert!(within(sender.send_request(request("PUT", "/a/b", &[], "a"))).await.is_err());
    let mut sender = http1(proxy.address()).await;
    let other = within(sender.send_request(request("PUT", "/b", &[], "b"))).await.unwrap();
    assert_eq!(read(other).await.0, 200);
    assert_eq!(server.asked(), ["PUT /b b"]);
    assert_eq!(events.fired(), ["/a/b PUT: never sent"]);
}

#[tokio::test]
async fn a_duplicate_is_sent_twice_and_answered_once() {
    for (which, answer) in [(Which::First, "1"), (Which::Last, "2")] {
        let server = web().await;
        let (proxy, _events) = proxy(&server, Level::Http).await;
        let duplicate = Fault::http(HttpFault::Duplicate { answer: which }).times(1);
        proxy.faults().add(duplicate).unwrap();
        let mut sender = http1(proxy.address()).await;
        let response = within(sender.send_request(request("POST", "/a", &[], "body"))).await;
        let (status, headers, body) = read(response.unwrap()).await;
        assert_eq!((status, body.as_str()), (200, "POST /a body"));
        assert_eq!(headers["answer"], answer);
        let next = within(sender.send_request(request("POST", "/b", &[], "next"))).await.unwrap();
        assert_eq!(read(next).await.2, "POST /b next");
        assert_eq!(server.asked(), ["POST /a body", "POST /a body", "POST /b next"]);
    }
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let duplicate = Fault::http(HttpFault::Duplicate { answer: Which::First });
    proxy.faults().add(duplicate).unwrap();
    let mut sender = http2(proxy.address()).await;
    let (_, trailers, _) = read(within(sender.send_request(grpc("Publish"))).await.unwrap()).await;
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_held_request_is_overtaken_by_the_next_of_its_kind() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let reorder = Fault::http(HttpFault::Reorder { max_hold_ms: 60_000 }).times(1);
    proxy.faults().add(reorder).unwrap();
    let address = proxy.address();
    let first = tokio::spawn(async move {
        let mut sender = http2(address).await;
        let response = within(sender.send_request(grpc("Publish"))).await.unwrap();
        read(response).await.1["answer"].to_str().unwrap().to_owned()
    });
    within(async {
        while events.fired().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut sender = http2(address).await;
    // Another kind doesn't release it.
    let other = within(sender.send_request(grpc("Other"))).await.unwrap();
    assert_eq!(read(other).await.1["answer"], "1");
    assert!(!first.is_finished());
    let second = within(sender.send_request(grpc("Publish"))).await.unwrap();
    assert_eq!(read(second).await.1["answer"], "2");
    assert_eq!(within(first).await.unwrap(), "3");
}

#[tokio::test]
async fn a_held_request_is_not_held_for_ever() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    proxy.faults().add(Fault::http(HttpFault::Reorder { max_hold_ms: 200 })).unwrap();
    let mut sender = http1(proxy.address()).await;
    let begun = Instant::now();
    let response = within(sender.send_request(request("PUT", "/a", &[], ""))).await.unwrap();
    assert_eq!(read(response).await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn latency_comes_before_the_effect() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let latency = HttpFault::Latency { delay_ms: 400, jitter_ms: 0 };
    proxy.faults().add(Fault::http(latency).times(1)).unwrap();
    let mut sender = http1(proxy.address()).await;
    let mut answer = Box::pin(sender.send_request(request("PUT", "/a", &[], "")));
    assert!(hangs(&mut answer).await);
    assert!(server.asked().is_empty());
    assert_eq!(read(within(answer).await.unwrap()).await.0, 200);
    assert_eq!(events.fired(), ["/a PUT: 400 ms"]);
}

#[tokio::test]
async fn what_hangs_goes_on_when_the_fault_is_removed() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let hang = Fault::http(HttpFault::Hang).on(Match::service("pubsub").operation("Publish"));
    let id = proxy.faults().add(hang).unwrap();
    let mut sender = http2(proxy.address()).await;
    let mut hanging = Box::pin(sender.clone().send_request(grpc("Publish")));
    assert!(hangs(&mut hanging).await);
    // Other calls on the same connection are not held.
    let other = within(sender.send_request(grpc("Other"))).await.unwrap();
    assert_eq!(read(other).await.0, 200);
    assert_eq!(proxy.faults().remove(id), Some(1));
    assert_eq!(read(within(hanging).await.unwrap()).await.1["grpc-status"], "0");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_slow_body_arrives_whole() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let slow = HttpFault::SlowBody { bytes_per_s: 200_000 };
    let id = proxy.faults().add(Fault::http(slow).times(1)).unwrap();
    let mut sender = http1(proxy.address()).await;
    let begun = Instant::now();
    let response = within(sender.send_request(request("GET", "/large", &[], ""))).await.unwrap();
    assert_eq!(read(response).await.2.len(), 100_000);
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!(proxy.faults().fired(id), 1);
}
