//! The HTTP side of the ingest service: a 2xx acknowledges a message, anything else causes a redelivery.

use std::future::Future;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use candle::message;
use pipeline::config::required;
use pipeline::ports::{Archive, CandleStore};
use pipeline::{Ingest, IngestConfig, Outcome};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::{Endpoints, FirestoreStore, GcsArchive, event};

/// The largest message that can be decoded, in base64 and wrapped, with as many attributes as Pub/Sub allows. Larger
/// requests are refused unread: an instance with half a GiB of memory handles many at once.
const BODY_LIMIT: usize = message::MAX_BYTES.div_ceil(3) * 4 + 144 * 1024;

/// Messages ingested together; at least as many as Cloud Run sends to one instance concurrently.
const BATCH: usize = 64;
/// Messages in the waiting queue; further ones wait in their requests.
const WAITING: usize = 64;

/// The ingest service over Firestore and Cloud Storage.
pub type GcpIngest = Ingest<GcsArchive, FirestoreStore>;

/// Builds the service from the environment variables of [`archive_and_store`] and [`IngestConfig`].
pub async fn from_vars(
    get: impl Fn(&str) -> Option<String>,
    seed: u64,
) -> anyhow::Result<GcpIngest> {
    let config = IngestConfig::from_vars(&get)?;
    let (archive, store) = archive_and_store(&get).await?;
    let backoff = config.backoff(seed);
    Ok(Ingest::new(archive, store, config.symbols, config.intervals, backoff))
}

/// The archive and the candles that the environment names: `TWINCLOUD_BUCKET`, `TWINCLOUD_GCP_PROJECT`,
/// `TWINCLOUD_FIRESTORE_DATABASE` and `TWINCLOUD_FIRESTORE_COLLECTION`.
pub async fn archive_and_store(
    get: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<(GcsArchive, FirestoreStore)> {
    let endpoints = Endpoints::from_vars(&get);
    let bucket = required(&get, "TWINCLOUD_BUCKET")?;
    let archive = GcsArchive::connect(endpoints.storage.as_deref(), &bucket).await?;
    let store = FirestoreStore::connect(
        endpoints.firestore.as_deref(),
        &required(&get, "TWINCLOUD_GCP_PROJECT")?,
        &required(&get, "TWINCLOUD_FIRESTORE_DATABASE")?,
        &required(&get, "TWINCLOUD_FIRESTORE_COLLECTION")?,
    )
    .await?;
    Ok((archive, store))
}

/// Serves until `stop` is ready, then finishes the requests in progress.
///
/// `POST /` takes a delivery, `GET /healthz` answers `ok`.
pub async fn serve<A, S>(
    listener: TcpListener,
    ingest: Ingest<A, S>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()>
where
    A: Archive + 'static,
    S: CandleStore + 'static,
{
    let (committer, waiting) = mpsc::channel(WAITING);
    let committing = tokio::spawn(commit(ingest, waiting));
    let router = Router::new()
        .route("/", post(deliver))
        .route("/healthz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(committer);
    tokio::select! {
        served = async { axum::serve(listener, router).with_graceful_shutdown(stop).await } => served,
        // It ends before the service only by a panic; the instance is useless then.
        _ = committing => Err(std::io::Error::other("the ingest task ended")),
    }
}

/// A message to be ingested, and the channel for its outcome.
type Waiting = (Vec<u8>, oneshot::Sender<Outcome>);

/// Ingests the messages that arrived during the previous call as one batch (a group commit): the requests of one instance
/// never contend for a candle, and a candle costs one write a batch instead of one a message.
async fn commit<A: Archive, S: CandleStore>(
    ingest: Ingest<A, S>,
    mut waiting: mpsc::Receiver<Waiting>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (bodies, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        for (outcome, answer) in ingest.messages(&bodies).await.into_iter().zip(answers) {
            // Fails if the request was given up; the message is redelivered then.
            let _ = answer.send(outcome);
        }
    }
}

async fn deliver(
    State(committer): State<mpsc::Sender<Waiting>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let delivered = match event::open(content_type, headers.contains_key("ce-specversion"), &body) {
        Ok(delivered) => delivered,
        Err(error) => {
            tracing::warn!(%error, "no delivery");
            return (StatusCode::BAD_REQUEST, error.to_string());
        }
    };
    let message_id = delivered.message_id;
    let (answer, outcome) = oneshot::channel();
    let _ = committer.send((delivered.body, answer)).await;
    match outcome.await {
        Ok(Outcome::Ingested(ingested)) => {
            tracing::info!(message_id, trades = ingested.trades, "ingested");
            (StatusCode::NO_CONTENT, String::new())
        }
        Ok(Outcome::Poison(error)) => {
            tracing::warn!(message_id, %error, "poison");
            (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        Ok(Outcome::Failed(error)) => {
            tracing::error!(message_id, %error, "failed");
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the ingest task is gone".to_owned()),
    }
}
