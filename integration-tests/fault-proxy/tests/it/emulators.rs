//! Answers and requests byte for byte as the emulators and SDKs write them, unlike hyper's own.

use fault_proxy::Level;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::servers::{connect, proxy, scripted, within};

/// Sends a request and reads until all of `end` has come, or the connection ends.
async fn ask(socket: &mut TcpStream, request: &str, end: &str) -> String {
    within(socket.write_all(request.as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) || end.is_empty() {
        if within(socket.read_buf(&mut answer)).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

/// hypercorn, below ministack, writes the head first and the body once it has it.
#[tokio::test]
async fn the_body_may_come_after_its_head() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 18\r\n\
                date: Wed, 25 Nov 2026 19:21:09 GMT\r\n\r\n";
    let server = scripted(vec![head, "{\"TableNames\"", ": []}"]).await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let mut socket = connect(proxy.address()).await;
    for _ in 0..3 {
        let request = "POST / HTTP/1.1\r\nhost: 127.0.0.1:1\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n\
                       content-length: 2\r\n\r\n{}";
        let answer = ask(&mut socket, request, "[]}").await;
        assert_eq!(answer, format!("{head}{{\"TableNames\": []}}"));
        // The signed parts arrive unchanged: the client's host, and header names in their case.
        assert_eq!(server.asked().pop().as_deref(), Some(request));
    }
    assert_eq!(server.asked().len(), 3);
}

/// ministack answers HEAD with `Transfer-Encoding: chunked`, and no chunk follows.
#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_its_head_says() {
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = scripted(vec![missing]).await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let mut socket = connect(proxy.address()).await;
    for _ in 0..2 {
        let answer =
            ask(&mut socket, "HEAD /bucket/key HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    }
    assert_eq!(server.asked().len(), 2);
}

/// botocore sends `Expect: 100-continue` before an object.
#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told_once() {
    let server = scripted(vec![
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let mut socket = connect(proxy.address()).await;
    let head =
        "PUT /bucket/key HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let go_on = ask(&mut socket, head, "\r\n\r\n").await;
    assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = ask(&mut socket, "bytes", "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(server.asked(), [format!("{head}bytes")]);
}

#[tokio::test]
async fn an_upstream_that_closes_after_its_answer_has_given_all_of_it() {
    // Until the end, or of the given length: both are whole, and then the client's connection ends as well.
    for (length, body) in [("", "till the end"), ("Content-Length: 5\r\n", "whole")] {
        let answer = format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n{body}");
        let server = scripted(vec![answer.leak()]).await;
        let (proxy, _events) = proxy(&server, Level::Http).await;
        for _ in 0..3 {
            let mut socket = connect(proxy.address()).await;
            let answer = ask(&mut socket, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "").await;
            let (_, got) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(got.contains(body), "{answer}");
        }
    }
}
