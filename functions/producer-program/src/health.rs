//! The health check of the producer over HTTP, and a watchdog that aborts a process that hangs, so that its supervisor
//! restarts it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::observer::Observer;
use record::Health;

pub(super) mod record;

/// The path of the health check.
pub(super) const PATH: &str = "/healthz";
/// The most connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 16;
/// The longest duration of a connection, which carries one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after an accept that failed, such as with too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// The interval of the watchdog's checks.
const LOOK: Duration = Duration::from_secs(1);
/// The watchdog aborts the process after this time without a new record.
const HUNG: Duration = Duration::from_mins(1);

/// The answer to a request: 200, or 503 with the faults.
fn response(health: &Health) -> Response<Full<Bytes>> {
    let status =
        if health.troubles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, serde_json::to_vec(health).unwrap_or_default())
}

/// Binds the address; called first, so that an address in use is reported at once.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address} (--listen, TWINCLOUD_LISTEN) for {PATH}; give another address")
    })
}

/// Serves the health check until the program ends.
pub(super) async fn serve(listener: TcpListener, observer: Arc<Observer>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let observer = Arc::clone(&observer);
        tokio::spawn(async move {
            let service =
                service_fn(async |request| Ok::<_, hyper::Error>(respond(&request, &observer)));
            let mut server = http1::Builder::new();
            server.keep_alive(false);
            // A client that disconnects early is no error of the producer.
            let _ = timeout(PATIENCE, server.serve_connection(TokioIo::new(stream), service)).await;
            drop(place);
        });
    }
}

fn respond(request: &Request<Incoming>, observer: &Observer) -> Response<Full<Bytes>> {
    let is_asked = request.uri().path() == PATH;
    match (is_asked, request.method()) {
        (true, &Method::GET | &Method::HEAD) => response(&observer.health()),
        (true, _) => answer(StatusCode::METHOD_NOT_ALLOWED, Vec::new()),
        (false, _) => answer(StatusCode::NOT_FOUND, Vec::new()),
    }
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Starts the watchdog in a thread of its own, outside the async runtime, so that a blocked runtime does not block it.
pub(super) fn end_where_it_hangs(observer: Arc<Observer>) {
    std::thread::spawn(move || {
        wait_until_it_hangs(&observer, || std::thread::sleep(LOOK));
        eprintln!(
            "producer: it has done nothing for {} s: it ends, so that another one is started (the spool keeps what no \
             cloud has)",
            HUNG.as_secs()
        );
        // An ordinary exit would wait for the tasks that hang.
        std::process::abort();
    });
}

/// Checks for a new record before each pause; returns once there was none for too long.
fn wait_until_it_hangs(observer: &Observer, mut pause: impl FnMut()) {
    let mut watch = Watch::default();
    while !watch.hangs(observer.seen_at()) {
        pause();
    }
}

/// Counts checks and not time, so that a process that was suspended for an hour is not taken for one that hangs.
#[derive(Default)]
struct Watch {
    seen_at: Option<Instant>,
    looks: u32,
}

impl Watch {
    fn hangs(&mut self, seen_at: Option<Instant>) -> bool {
        self.looks = if self.seen_at == seen_at { self.looks + 1 } else { 0 };
        self.seen_at = seen_at;
        LOOK * self.looks > HUNG
    }
}

#[cfg(test)]
mod tests {
    use super::super::observer::tests::{observer, view};
    use super::*;

    #[test]
    fn who_has_not_looked_at_itself_is_not_healthy_and_at_last_hangs() {
        let at = Instant::now();
        let seen = Health { messages_waiting: 3, ..Health::default() };
        let after =
            |seconds| Health::now(Some((at, seen.clone())), at + Duration::from_secs(seconds));
        assert_eq!(after(5), seen);
        assert_eq!(after(6).troubles, ["it has not looked at itself for 6 s"]);
        assert_eq!(Health::now(None, at).troubles, ["it starts"]);
        let mut watch = Watch::default();
        for seen_at in [None, Some(at)] {
            let mut looks = (0..).take_while(|_| !watch.hangs(seen_at));
            assert_eq!(looks.by_ref().count(), 61 - usize::from(seen_at.is_none()), "{seen_at:?}");
        }
    }

    #[test]
    fn the_watchdog_waits_as_long_as_the_health_is_recorded() {
        let observer = observer("/nonexistent/status.json".into());
        let mut pauses = 0;
        wait_until_it_hangs(&observer, || {
            pauses += 1;
            // Recorded at every 60th check, three times, and never again.
            if pauses % 60 == 0 && pauses <= 180 {
                observer.status(view(0));
            }
        });
        assert_eq!(pauses, 180 + 61);
    }

    #[tokio::test]
    async fn it_is_told_over_http_and_slow_askers_keep_nobody_out() {
        let observer = Arc::new(observer("/nonexistent/status.json".into()));
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::clone(&observer)));
        let ask = async |path: &str, method: Method| {
            let url = format!("http://{address}{path}");
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let response = client.request(method, url).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let starts = r#"{"troubles":["it starts"],"messages_waiting":0,"accepted_s_ago":null}"#;
        // 15 of the 16 connections send no request, so requests are answered one at a time.
        let started = Instant::now();
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS - 1 {
            silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(ask(PATH, Method::GET).await, (503, starts.to_owned()));
        assert_eq!(ask(PATH, Method::POST).await.0, 405);
        assert_eq!(ask("/", Method::GET).await.0, 404);
        assert!(started.elapsed() < PATIENCE, "answered beside the silent connections");
        // With 16 of 16, a request is answered once the silent connections are closed.
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
        assert_eq!(ask(PATH, Method::HEAD).await, (503, String::new()));
        assert!(started.elapsed() >= PATIENCE, "answered beside 16 connections");
    }

    #[test]
    fn the_answer_is_200_or_503_with_the_troubles() {
        let well = Health { accepted_s_ago: Some(1), ..Health::default() };
        assert_eq!(response(&well).status(), StatusCode::OK);
        let ill = Health { troubles: vec!["no stream".to_owned()], ..well };
        assert_eq!(response(&ill).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            serde_json::to_string(&ill).unwrap(),
            r#"{"troubles":["no stream"],"messages_waiting":0,"accepted_s_ago":1}"#
        );
    }
}
