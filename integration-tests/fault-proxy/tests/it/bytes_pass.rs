//! Without faults, bytes pass unchanged, however they are split.

use bytes::Bytes;
use fault_proxy::{Direction, Fault, Level, TcpFault};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::servers::{Server, connect, echo, proxy, web, within};

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..40_000), 0..12)
}

async fn through(server: &Server, chunks: &[Vec<u8>], fault: Option<TcpFault>) -> Vec<u8> {
    let (proxy, _events) = proxy(server, Level::Tcp).await;
    if let Some(fault) = fault {
        proxy.faults().add(Fault::tcp(fault)).unwrap();
    }
    let (mut read, mut write) = connect(proxy.address()).await.into_split();
    let mut back = Vec::new();
    let send = async {
        for chunk in chunks {
            write.write_all(chunk).await.unwrap();
            tokio::task::yield_now().await;
        }
        write.shutdown().await.unwrap();
    };
    within(async { tokio::join!(send, async { read.read_to_end(&mut back).await.unwrap() }) })
        .await;
    back
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn as_bytes(chunks in chunks()) {
        let back = blocking(async { through(&echo().await, &chunks, None).await });
        prop_assert!(back == chunks.concat(), "{} bytes came back", back.len());
    }

    /// Slowness is not loss: the same bytes with slow faults.
    #[test]
    fn as_bytes_that_are_late(chunks in chunks()) {
        let late = TcpFault::Delay { delay_ms: 1, jitter_ms: 3, direction: Direction::Both };
        let back = blocking(async { through(&echo().await, &chunks, Some(late)).await });
        prop_assert!(back == chunks.concat(), "{} bytes came back", back.len());
    }

    #[test]
    fn as_requests(texts in vec("[a-z]{0,5000}", 0..8), second in any::<bool>()) {
        let body = blocking(async {
            let server = web().await;
            let (proxy, _events) = proxy(&server, Level::Http).await;
            let frames: Vec<_> = texts.iter().cloned().map(Bytes::from).map(Frame::data)
                .map(Ok::<_, std::convert::Infallible>).collect();
            let body = StreamBody::new(futures::stream::iter(frames));
            let socket = TokioIo::new(connect(proxy.address()).await);
            let request = http::Request::post("http://test/echo").body(body).unwrap();
            let response = if second {
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), socket).await.unwrap();
                tokio::spawn(connection);
                within(sender.send_request(request)).await.unwrap()
            } else {
                let (mut sender, connection) = http1::handshake(socket).await.unwrap();
                tokio::spawn(connection);
                within(sender.send_request(request)).await.unwrap()
            };
            within(response.into_body().collect()).await.unwrap().to_bytes()
        });
        let expected = format!("POST /echo {}", texts.concat());
        prop_assert!(body == expected, "{body:?}");
    }
}
