//! What starts a run, over clouds in memory: no runtime, and no network but loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use candle::message::Batch;
use candle::{ArchiveObject, Interval, Price, Quantity, Symbols, Trade};
use cloud_memory::{LogLines, MemoryArchive, MemoryCursor, MemoryStore};
use pipeline::ports::{Archive, Fault, PortError, Put};
use pipeline::replicate::Limits;
use pipeline::{Backoff, Fold, Replicate};
use replicate::Peers;
use replicate::peer::NoPeer;
use replicate::service::{Settings, serve};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A peer with one object, or one that answers never or with an error.
#[derive(Clone)]
enum Peer {
    Good(MemoryArchive),
    Refuses,
    Silent,
}

impl Peer {
    async fn good() -> Self {
        let trade = Trade {
            id: 1,
            time_ms: 1_723_161_255_342,
            price: Price::from_units(6_183_763_000_000).unwrap(),
            quantity: Quantity::from_units(2_000_000).unwrap(),
            buyer_is_maker: true,
        };
        let batch = Batch { symbol: "BTCUSDT".parse().unwrap(), trades: vec![trade] };
        let object = ArchiveObject::split(&batch).remove(0);
        let archive = MemoryArchive::default();
        let name = object.name().to_string();
        archive.put_if_absent(&name, object.encode().into()).await.unwrap();
        Self::Good(archive)
    }

    async fn archive(&self) -> Result<&MemoryArchive, PortError> {
        match self {
            Self::Good(archive) => Ok(archive),
            Self::Silent => std::future::pending().await,
            Self::Refuses => Err(PortError {
                service: "peer",
                operation: "list",
                fault: Fault::Refused,
                detail: "planted".to_owned(),
            }),
        }
    }
}

impl Archive for Peer {
    async fn put_if_absent(&self, name: &str, _bytes: Bytes) -> Result<Put, PortError> {
        panic!("{name} was put into the peer")
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        self.archive().await?.get(name).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        self.archive().await?.list(prefix, after, limit).await
    }
}

type Memory = Replicate<MemoryArchive, MemoryStore, Peer, MemoryCursor>;

fn replicate_from(peer: Peer) -> Memory {
    let backoff = Backoff::new(3, Duration::from_millis(1), Duration::from_millis(2), 1);
    let fold = Fold::new(MemoryStore::default(), vec![Interval::M1], backoff);
    let symbols = Symbols::new(["BTCUSDT".parse().unwrap()]);
    let (archive, cursor) = (MemoryArchive::default(), MemoryCursor::default());
    Replicate::new(archive, fold, peer, cursor, &symbols, Limits::default(), 1)
}

fn no_peer() -> NoPeer {
    NoPeer { variable: "TWINCLOUD_PEER_BUCKET".to_owned() }
}

#[tokio::test]
async fn the_lambda_answers_with_its_report_or_fails() {
    let soon = || SystemTime::now() + Duration::from_secs(20);
    let good = Ok(replicate_from(Peer::good().await));
    let report = replicate::aws::handle(&good, soon()).await.unwrap();
    assert_eq!((&report["copied"], &report["complete"]), (&1.into(), &true.into()), "{report}");
    let none: Result<Memory, _> = Err(no_peer());
    let report = replicate::aws::handle(&none, soon()).await.unwrap();
    assert_eq!(report["no_peer"], "no peer: TWINCLOUD_PEER_BUCKET is not set");
    let error = replicate::aws::handle(&Ok(replicate_from(Peer::Refuses)), soon()).await;
    assert!(error.unwrap_err().to_string().contains("planted"));
}

#[tokio::test]
async fn the_lambda_ends_before_its_deadline() {
    let deadline = SystemTime::now() + Duration::from_millis(1_500);
    let silent = Ok(replicate_from(Peer::Silent));
    let report = replicate::aws::handle(&silent, deadline).await;
    assert!(SystemTime::now() < deadline, "too late");
    assert!(report.is_err() || report.is_ok_and(|report| report["out_of_time"] == true));
}

#[tokio::test]
async fn a_run_without_a_peer_warns_in_both_clouds() {
    let log = LogLines::of("replicate");
    // On this thread alone, as is the runtime of the test.
    let _guard = tracing::subscriber::set_default(log.clone());
    let none: Result<Memory, _> = Err(no_peer());
    replicate::aws::handle(&none, SystemTime::now() + Duration::from_secs(20)).await.unwrap();
    let (url, _stop) = service(Err(no_peer())).await;
    post(&url).await;
    let lines = log.lines();
    let expected = |peer| format!("peer=\"{peer}\" variable=\"TWINCLOUD_PEER_BUCKET\"");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, peer) in lines.iter().zip(["gcp", "aws"]) {
        assert!(line.starts_with("WARN ") && line.contains(&expected(peer)), "{line}");
        assert!(line.contains("not connected: nothing is copied"), "{line}");
    }
}

async fn service(peer: Result<Peer, NoPeer>) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/run", listener.local_addr().unwrap());
    let settings = Settings { path: "/run".to_owned(), budget: Duration::from_secs(20) };
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move { drop(stopped.await) };
    let peers = peer.map(|peer| Peers::new(vec![("aws".to_owned(), replicate_from(peer))]));
    tokio::spawn(serve(listener, peers, settings, until));
    (url, stop)
}

async fn post(url: &str) -> (StatusCode, Value) {
    let answer = Client::new().post(url).send().await.unwrap();
    let status = answer.status();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn the_service_answers_200_with_the_report_or_503_with_what_failed() {
    let (url, _stop) = service(Ok(Peer::good().await)).await;
    let (status, report) = post(&url).await;
    assert_eq!((status, &report["copied"]), (StatusCode::OK, &1.into()), "{report}");
    let (url, _stop) = service(Ok(Peer::Refuses)).await;
    let (status, report) = post(&url).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(report["failed"].as_str().unwrap().contains("planted"), "{report}");
    let (url, _stop) = service(Err(no_peer())).await;
    let (status, report) = post(&url).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(report["no_peer"], "no peer: TWINCLOUD_PEER_BUCKET is not set");
    let health = Client::new().get(url.replace("/run", "/healthz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

/// A silent peer would take all the time, a refusing one would end the run.
#[tokio::test]
async fn a_peer_that_is_away_keeps_nobody_elses_trades_away() {
    let each = [Peer::Refuses, Peer::Silent, Peer::good().await].into_iter().map(replicate_from);
    let names = ["first", "second", "third"].map(str::to_owned);
    let peers = Peers::new(names.into_iter().zip(each).collect());
    let report = peers.run(1_723_161_300_000, Instant::now() + Duration::from_secs(3)).await;
    assert_eq!((report.copied, report.lag_s), (1, 44), "{report:?}");
    assert!(!report.complete && !report.window_compared, "{report:?}");
    let failed = report.failed.unwrap();
    let (first, second) = failed.split_once("; second: ").unwrap();
    assert!(first.starts_with("first: ") && first.contains("planted"), "{failed}");
    assert!(second.contains("no answer"), "{failed}");
}

#[tokio::test]
async fn one_run_at_a_time_and_told_to_stop_it_is_cut_off() {
    let (url, stop) = service(Ok(Peer::Silent)).await;
    let posts = [(); 2].map(|()| {
        let url = url.clone();
        tokio::spawn(async move { post(&url).await })
    });
    // One of them waits for the peer; the other is refused at once.
    let (refused, _, waiting) = futures::future::select_all(posts).await;
    assert_eq!(refused.unwrap().0, StatusCode::CONFLICT);
    drop(stop);
    let cut = futures::future::join_all(waiting);
    let cut = tokio::time::timeout(Duration::from_secs(5), cut).await.expect("it is cut off");
    for (status, _) in cut.into_iter().map(Result::unwrap) {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
