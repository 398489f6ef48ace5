//! The HTTP side of the ingest service: a 2xx acknowledges a message, anything else sends it back.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use pipeline::config::required;
use pipeline::ports::{Archive, CandleStore};
use pipeline::{Ingest, IngestConfig, Outcome};
use tokio::net::TcpListener;

use crate::{Endpoints, FirestoreStore, GcsArchive, event};

/// Pub/Sub's own limit of 10 MB, in base64 and wrapped.
const BODY_LIMIT: usize = 15 * 1024 * 1024;

/// The ingest service over Firestore and Cloud Storage.
pub type GcpIngest = Ingest<GcsArchive, FirestoreStore>;

/// Builds the service from its environment; `TWINCLOUD_BUCKET`, `TWINCLOUD_GCP_PROJECT`,
/// `TWINCLOUD_FIRESTORE_DATABASE` and `TWINCLOUD_FIRESTORE_COLLECTION` beside what [`IngestConfig`] reads.
pub async fn from_vars(
    get: impl Fn(&str) -> Option<String>,
    seed: u64,
) -> anyhow::Result<GcpIngest> {
    let config = IngestConfig::from_vars(&get)?;
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
    let backoff = config.backoff(seed);
    Ok(Ingest::new(archive, store, config.symbols, config.intervals, backoff))
}

/// Serves until `stop` is ready, then finishes the requests under way.
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
    let router = Router::new()
        .route("/", post(deliver::<A, S>))
        .route("/healthz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(ingest));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn deliver<A: Archive, S: CandleStore>(
    State(ingest): State<Arc<Ingest<A, S>>>,
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
    let Some(outcome) = ingest.messages(&[delivered.body]).await.pop() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no outcome".to_owned());
    };
    match outcome {
        Outcome::Ingested(ingested) => {
            tracing::info!(message_id, trades = ingested.trades, "ingested");
            (StatusCode::NO_CONTENT, String::new())
        }
        Outcome::Poison(error) => {
            tracing::warn!(message_id, %error, "poison");
            (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        Outcome::Failed(error) => {
            tracing::error!(message_id, %error, "failed");
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    }
}
