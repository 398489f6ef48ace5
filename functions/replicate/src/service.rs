//! The HTTP side of the service: a request starts a run and gets its report.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::{get, post};
use pipeline::ports::{Archive, CandleStore, Cursor};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::now_ms;
use crate::peer::NoPeer;
use crate::peers::Peers;

/// Settings of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Path that the schedule posts to.
    pub path: String,
    /// Timeout of a run.
    pub budget: Duration,
}

struct Service<A, S, P, C> {
    peers: Result<Peers<A, S, P, C>, NoPeer>,
    budget: Duration,
    one_at_a_time: Mutex<()>,
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop` is ready; a run that is under way then is cut off, which is harmless.
///
/// `POST` to the path starts a run: 200 with the report, 503 if it failed, 409 if another is under way. `GET /healthz`
/// answers `ok`.
pub async fn serve<A, S, P, C>(
    listener: TcpListener,
    peers: Result<Peers<A, S, P, C>, NoPeer>,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()>
where
    A: Archive + 'static,
    S: CandleStore + 'static,
    P: Archive + 'static,
    C: Cursor + 'static,
{
    let (tell, stopping) = watch::channel(false);
    let Settings { path, budget } = settings;
    let one_at_a_time = Mutex::new(());
    let service = Arc::new(Service { peers, budget, one_at_a_time, stopping });
    let router = Router::new()
        .route(&path, post(run::<A, S, P, C>))
        .route("/healthz", get(async || "ok"))
        .with_state(service);
    let stop = async move {
        stop.await;
        let _ = tell.send(true);
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

type Answer = (StatusCode, [(HeaderName, &'static str); 1], String);

async fn run<A, S, P, C>(State(service): State<Arc<Service<A, S, P, C>>>) -> Answer
where
    A: Archive + 'static,
    S: CandleStore + 'static,
    P: Archive + 'static,
    C: Cursor + 'static,
{
    let peers = match &service.peers {
        Ok(peers) => peers,
        Err(no_peer) => {
            no_peer.warn("aws");
            return answer(StatusCode::OK, &json!({ "no_peer": no_peer.to_string() }));
        }
    };
    let Ok(_alone) = service.one_at_a_time.try_lock() else {
        return answer(StatusCode::CONFLICT, &json!({ "failed": "a run is under way" }));
    };
    let mut stopping = service.stopping.clone();
    let report = tokio::select! {
        report = peers.run(now_ms(), Instant::now() + service.budget) => report,
        _ = stopping.wait_for(|stopping| *stopping) => {
            return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "failed": "stopping" }));
        }
    };
    let status = match report.failed {
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::OK,
    };
    answer(status, &json!(report))
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string())
}
