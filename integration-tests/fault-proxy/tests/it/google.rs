//! Google's errors on the wire.

use fault_proxy::{Fault, GoogleError, Level, Match};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use crate::servers::{grpc, http1, http2, proxy, read, request, web, within};

#[tokio::test]
async fn grpc_gets_trailers_and_nothing_else() {
    for (error, code) in [
        (GoogleError::Unavailable, "14"),
        (GoogleError::Aborted, "10"),
        (GoogleError::ResourceExhausted, "8"),
        (GoogleError::DeadlineExceeded, "4"),
    ] {
        let server = web().await;
        let (proxy, events) = proxy(&server, Level::Http).await;
        let on = Match::path("/google.pubsub.v1.Publisher/Publish");
        proxy.faults().add(Fault::google(error).on(on)).unwrap();
        let mut sender = http2(proxy.address()).await;
        let response = within(sender.send_request(grpc("Publish"))).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], code);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        // One frame of headers that ends the stream, which is what trailers-only means.
        assert!(response.body().is_end_stream());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 0);
        let other = within(sender.send_request(grpc("CreateTopic"))).await.unwrap();
        assert_eq!(read(other).await.1["grpc-status"], "0");
        assert_eq!(server.asked().len(), 1);
        assert_eq!(events.fired().len(), 1);
    }
}

#[tokio::test]
async fn rest_gets_json() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let on = Match::service("storage").operation("objects.insert");
    proxy.faults().add(Fault::google(GoogleError::Unavailable).on(on)).unwrap();
    let quota = Fault::google(GoogleError::ResourceExhausted).on(Match::service("pubsub"));
    proxy.faults().add(quota).unwrap();
    let mut sender = http1(proxy.address()).await;
    let mut ask = async |method: &str, uri: &str| {
        read(within(sender.send_request(request(method, uri, &[], "x"))).await.unwrap()).await
    };
    let (status, headers, body) = ask("POST", "/upload/storage/v1/b/b/o?name=a").await;
    assert_eq!(status, 503);
    assert_eq!(headers["content-type"], "application/json; charset=UTF-8");
    let error: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["error"]["code"], 503);
    assert_eq!(error["error"]["errors"][0]["reason"], "backendError");
    assert_eq!(ask("GET", "/storage/v1/b/b/o/a").await.0, 200);
    let (status, _, body) = ask("POST", "/v1/projects/p/topics/t:publish").await;
    assert_eq!(status, 429);
    assert!(body.contains("\"status\":\"RESOURCE_EXHAUSTED\""), "{body}");
}
