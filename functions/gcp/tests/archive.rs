//! The archive in Cloud Storage with a bucket that holds objects too large for an archive.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use cloud_gcp::GcsArchive;
use pipeline::ports::{Archive as _, Fault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const SIZE: usize = 64 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;
/// The bytes that may be in the system's buffers on both sides when the reader closes the connection.
const ON_THE_WAY: usize = 16 * 1024 * 1024;

/// A server for a bucket with an object of 64 MiB, whose head has its size, or only the body's length. Returns its
/// endpoint, and how much it has sent until the reader stopped.
async fn large_object(says_its_length: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                request.push(byte);
            }
            // The client takes an object's size from the one header, and the body's length from either.
            let says =
                if says_its_length { "x-goog-stored-content-length" } else { "content-length" };
            let head = format!("HTTP/1.1 200 OK\r\nx-goog-generation: 1\r\n{says}: {SIZE}\r\n");
            let head = head + "connection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let chunk = vec![b'x'; CHUNK];
            while counted.load(Relaxed) < SIZE && stream.write_all(&chunk).await.is_ok() {
                counted.fetch_add(CHUNK, Relaxed);
            }
        }
    });
    (endpoint, sent)
}

#[tokio::test]
async fn no_more_is_read_of_an_object_than_one_may_have() {
    for says_its_length in [true, false] {
        let (endpoint, sent) = large_object(says_its_length).await;
        let archive = GcsArchive::connect(Some(&endpoint), "bucket").await.expect("a client");
        let read = archive.get("trades/v1/a.gz").await;
        let error = read.expect_err("too large");
        assert_eq!(error.fault, Fault::Corrupt, "{says_its_length}: {error}");
        let sent = sent.load(Relaxed);
        assert!(sent < ON_THE_WAY, "{says_its_length}: {sent} bytes");
    }
}
