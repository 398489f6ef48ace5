//! The control plane's requests and answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use deploy::local::run;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::{Problem, bad, missing};
use super::shared::Shared;

const BODY_BYTES: usize = 256 * 1024;

type Control = State<Arc<Shared>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Answers below this secret only.
pub(super) fn router(secret: &str, shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/services", get(async |State(shared): Control| Json(shared.services.all())))
        .route("/services/{name}", get(service).put(put_service).delete(delete_service))
        .route("/jobs", get(async |State(shared): Control| Json(shared.jobs.all())))
        .route("/jobs/{name}", get(job).put(put_job).delete(delete_job));
    Router::new()
        .nest(&format!("/{secret}/v1"), api)
        .fallback(async || missing("page", "of this path"))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(shared)
}

async fn service(State(shared): Control, Path(name): Path<String>) -> Answer<run::ServiceState> {
    shared.services.get(&name).map(Json)
}

async fn put_service(
    State(shared): Control,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer<run::ServiceState> {
    let wanted = read(&body)?;
    Box::pin(shared.services.put(&name, wanted)).await.map(Json)
}

async fn delete_service(
    State(shared): Control,
    Path(name): Path<String>,
) -> Answer<run::ServiceState> {
    shared.services.delete(&name).await.map(Json)
}

async fn job(State(shared): Control, Path(name): Path<String>) -> Answer<run::JobState> {
    shared.jobs.get(&name).map(Json)
}

async fn put_job(
    State(shared): Control,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer<run::JobState> {
    shared.jobs.put(&name, read(&body)?).map(Json)
}

async fn delete_job(State(shared): Control, Path(name): Path<String>) -> Answer<run::JobState> {
    shared.jobs.delete(&name).map(Json)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| bad(format!("read the request's JSON: {error}")))
}

/// axum's own would be one more of its features, for all programs.
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        match serde_json::to_vec(&self.0) {
            Ok(body) => (json, body).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(run::Problem { error: self.error })).into_response()
    }
}
