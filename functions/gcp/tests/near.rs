//! A server on this machine is reached without a proxy, whatever the environment says. The environment is process-wide,
//! so the calls are made by a child process.

use std::process::Stdio;

use cloud_gcp::{GcsArchive, PubSubQueue};
use pipeline::ports::{Archive as _, Queue as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

/// The variable with the stub's address.
const STUB: &str = "TWINCLOUD_TEST_STUB";

/// Answers everything with an object's name and a message; the body fits both.
async fn stub(listener: TcpListener) {
    let body = r#"{"items":[{"name":"a/b"}],"receivedMessages":[{"ackId":"x","message":{"messageId":"1","data":"aGk="}}]}"#;
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 16_384]).await.expect("a request");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.expect("it is taken");
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn an_emulator_is_reached_whatever_proxy_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(stub(listener));
    for host in ["127.0.0.1", "localhost"] {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", "calls_from_the_child", "--ignored", "--nocapture"]);
        // No server listens there.
        for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            child.env(proxy, "http://127.0.0.1:9");
        }
        child.env_remove("NO_PROXY").env_remove("no_proxy");
        child.env(STUB, format!("http://{host}:{port}")).stdin(Stdio::null());
        let output = child.output().await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
    assert!(!server.is_finished());
}

#[tokio::test]
#[ignore = "run by an_emulator_is_reached_whatever_proxy_is_named, with an environment of its own"]
async fn calls_from_the_child() {
    let Ok(stub) = std::env::var(STUB) else { return };
    let archive = GcsArchive::connect(Some(&stub), "bucket").await.expect("an archive");
    assert_eq!(archive.list("a", None, 9).await.expect("a list"), ["a/b"]);
    let queue = PubSubQueue::connect(Some(&stub), "project", "topic", "subscription").await;
    let received = queue.expect("a queue").receive(1).await.expect("a message");
    assert_eq!(received[0].body.as_ref(), b"hi");
}
