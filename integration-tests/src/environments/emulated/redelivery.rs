//! Pub/Sub's retry policy, which its emulator has not: with one, it loses track of pushes that were refused.
//!
//! It takes the emulator's pushes and acknowledges them at once. From then on a message is held here: it is pushed to the
//! service, and after each failure again, with the pauses of the policy, until it is a dead letter after as many deliveries as
//! the settings say. What is held dies with the cloud, as what an emulator holds does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::delivery::Limits;

/// Pushes under way at once.
const PUSHES: usize = 32;
/// Pub/Sub's own limit of a push, in base64 and wrapped.
const BODY_LIMIT: usize = 15 * 1024 * 1024;
/// Tries at publishing a dead letter, and the wait between them.
const DEAD_LETTER_TRIES: u32 = 60;
const DEAD_LETTER_RETRY: Duration = Duration::from_millis(500);

/// A delivery policy: the URLs that messages go to, and the pauses.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// The service's URL.
    pub(super) service: String,
    /// The URL at which one publishes dead letters.
    pub(super) dead_letters: String,
    /// The number of deliveries, and the pauses after failures. [`Limits::hidden`] is the longest wait for an answer.
    pub(super) limits: Limits,
}

/// One that runs; dropped, it forgets what it holds.
#[derive(Debug)]
pub(super) struct Redelivery {
    endpoint: String,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    policy: Policy,
    http: reqwest::Client,
    pushes: Semaphore,
    /// The server and each message.
    tasks: Mutex<JoinSet<()>>,
}

impl Redelivery {
    pub(super) async fn start(policy: Policy) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for pushes")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let http = reqwest::Client::builder().no_proxy().timeout(policy.limits.hidden).build()?;
        let (pushes, tasks) = (Semaphore::new(PUSHES), Mutex::default());
        let held = Arc::new(Held { policy, http, pushes, tasks });
        let router = Router::new()
            .fallback(take)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(&held));
        held.tasks().spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { endpoint, held })
    }

    /// The URL that the subscription pushes to.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Redelivery {
    fn drop(&mut self) {
        // A connection that is open still may bring more.
        self.held.pushes.close();
        self.held.tasks().abort_all();
    }
}

async fn take(State(held): State<Arc<Held>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(push) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    if held.pushes.is_closed() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let message = Arc::clone(&held);
    let mut tasks = held.tasks();
    while tasks.try_join_next().is_some() {}
    tasks.spawn(async move { message.deliver(push, content_type).await });
    StatusCode::NO_CONTENT
}

impl Held {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(&self, mut push: Value, content_type: Option<header::HeaderValue>) {
        let limits = self.policy.limits;
        for delivery in 1..=limits.deliveries {
            if self.pushes.is_closed() {
                return;
            }
            // As in production, where there is a policy of dead letters.
            push["deliveryAttempt"] = json!(delivery);
            if self.push(&push, content_type.as_ref()).await {
                return;
            }
            if delivery < limits.deliveries {
                sleep(limits.pause(delivery)).await;
            }
        }
        let mut letter = push["message"].take();
        if let Some(fields) = letter.as_object_mut() {
            fields.retain(|name, _| matches!(name.as_str(), "data" | "attributes"));
        }
        let letter = json!({ "messages": [letter] });
        for _ in 0..DEAD_LETTER_TRIES {
            let sent = self.http.post(&self.policy.dead_letters).json(&letter).send().await;
            if sent.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            sleep(DEAD_LETTER_RETRY).await;
        }
        tracing::error!("a dead letter could not be published to {}", self.policy.dead_letters);
    }

    async fn push(&self, push: &Value, content_type: Option<&header::HeaderValue>) -> bool {
        let Ok(_push) = self.pushes.acquire().await else { return false };
        let request = self.http.post(&self.policy.service).body(push.to_string());
        let request = match content_type {
            Some(content_type) => request.header(header::CONTENT_TYPE, content_type),
            None => request,
        };
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A service that refuses until it was asked so often, and a topic of dead letters.
    #[derive(Clone)]
    struct Stub {
        refuses: u32,
        asked: Arc<Mutex<Vec<(u64, Instant)>>>,
        dead: Arc<Mutex<Vec<Value>>>,
    }

    async fn stub(refuses: u32) -> (Stub, String) {
        let stub = Stub { refuses, asked: Arc::default(), dead: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/push", axum::routing::post(asked))
            .route("/dead", axum::routing::post(dead))
            .with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stub, url)
    }

    async fn asked(State(stub): State<Stub>, body: Bytes) -> StatusCode {
        let push: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(push["message"]["data"], "e30=");
        let mut asked = stub.asked.lock().expect("a lock");
        asked.push((push["deliveryAttempt"].as_u64().expect("a number"), Instant::now()));
        // As a grant that spreads, a full service and a store that is away.
        let refusals =
            [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        match usize::try_from(stub.refuses).expect("small") {
            refuses if asked.len() <= refuses => refusals[asked.len() % refusals.len()],
            _ => StatusCode::NO_CONTENT,
        }
    }

    async fn dead(State(stub): State<Stub>, body: Bytes) -> &'static str {
        let letter = serde_json::from_slice(&body).expect("JSON");
        stub.dead.lock().expect("a lock").push(letter);
        r#"{"messageIds":["1"]}"#
    }

    /// Pushes a message as the emulator does, and waits for its end.
    async fn play(refuses: u32) -> Stub {
        let (stub, url) = stub(refuses).await;
        let settings = |sets: &[String]| {
            let text = include_str!("../../../../twincloud.toml");
            let path = std::path::Path::new("twincloud.toml");
            infra::Settings::parse(path, text, Some("local"), sets, std::iter::empty())
        };
        let mut local = settings(&[]).expect("valid");
        let sets =
            ["gcp.pubsub.min_backoff_ms=20".to_owned(), "gcp.pubsub.max_backoff_ms=40".to_owned()];
        local.gcp.pubsub = settings(&sets).expect("valid").gcp.pubsub;
        let limits = Limits::of(crate::history::CloudId::Gcp, &local);
        assert_eq!(limits.deliveries, 5);
        let (service, dead_letters) = (format!("{url}/push"), format!("{url}/dead"));
        let redelivery =
            Redelivery::start(Policy { service, dead_letters, limits }).await.expect("started");
        let push = json!({ "message": { "data": "e30=", "messageId": "7" }, "subscription": "s" });
        let taken = redelivery.held.http.post(redelivery.endpoint()).json(&push).send().await;
        assert_eq!(taken.expect("an answer").status(), StatusCode::NO_CONTENT);
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let asked = stub.asked.lock().expect("a lock").len();
            let is_dead = !stub.dead.lock().expect("a lock").is_empty();
            if is_dead || asked > refuses as usize {
                return stub;
            }
            assert!(Instant::now() < until, "asked {asked} times");
            sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_message_is_delivered_once_the_service_is_there_again() {
        let stub = play(4).await;
        let asked = stub.asked.lock().expect("a lock").clone();
        let attempts: Vec<u64> = asked.iter().map(|(attempt, _)| *attempt).collect();
        assert_eq!(attempts, [1, 2, 3, 4, 5]);
        let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        for (pause, least_ms) in pauses.iter().zip([20, 40, 40, 40]) {
            assert!(*pause >= Duration::from_millis(least_ms), "{pauses:?}");
        }
        assert!(stub.dead.lock().expect("a lock").is_empty());
    }

    #[tokio::test]
    async fn a_message_that_is_refused_as_often_as_may_be_is_a_dead_letter_with_its_body() {
        let stub = play(5).await;
        assert_eq!(stub.asked.lock().expect("a lock").len(), 5);
        let dead = stub.dead.lock().expect("a lock").clone();
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0]["messages"][0]["data"], "e30=");
    }
}
