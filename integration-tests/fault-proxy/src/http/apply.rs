//! Handles a request: applies the faults in force, in the order in which they were added.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::body::ProxyBody;
use super::call::{self, Call, Protocol};
use super::upstream::{Broken, Upstream};
use super::{aws, google};
use crate::active::Active;
use crate::spec::{Ending, HttpFault, Loss, Which};

/// Answers a request of a client.
pub(super) async fn handle(
    upstream: Arc<Upstream>,
    request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Broken> {
    let (head, mut body) = request.map(ProxyBody::from).into_parts();
    let version = head.version;
    let call = read(&head, &mut body).await;
    let board = &upstream.connection.board;
    board.count_request(&call);
    let answered = if board.breaks_requests() {
        disturbed(&upstream, call, head, body).await
    } else {
        let request = Request::from_parts(head, body);
        upstream.send(request).await.map(|response| response.map(ProxyBody::from))
    };
    match answered {
        Err(broken) if !broken.is_of_a_stream() || version != Version::HTTP_2 => {
            tracing::debug!(connection = upstream.connection.fate.number, %broken, "no answer");
            // As if the upstream were gone: the proxy never invents an upstream's answer.
            upstream.connection.fate.end(Ending::Reset);
            std::future::pending().await
        }
        answered => answered,
    }
}

async fn read(head: &Parts, body: &mut ProxyBody) -> Call {
    if !call::is_form(head) {
        return Call::read(head, &[]);
    }
    body.read_ahead().await;
    Call::read(head, &body.bytes())
}

async fn disturbed(
    upstream: &Upstream,
    call: Call,
    head: Parts,
    mut body: ProxyBody,
) -> Result<Response<ProxyBody>, Broken> {
    let exchange = Exchange { upstream, version: head.version, call };
    let after = match exchange.before(&head, &mut body).await? {
        Before::Answered(answer) => return Ok(answer),
        Before::GoOn(after) => after,
    };
    let response = match after.duplicate {
        Some(which) => exchange.twice(head, &body, which).await?,
        None => upstream.send(Request::from_parts(head, body)).await?.map(ProxyBody::from),
    };
    if let Some(overtaken) = after.overtaken {
        // Fails if the held call's client has left or its hold has timed out.
        let _ = overtaken.send(());
    }
    exchange.after(&after.faults, response).await
}

/// One request in progress.
struct Exchange<'a> {
    upstream: &'a Upstream,
    version: Version,
    call: Call,
}

/// Result of the faults that apply before a request goes upstream.
enum Before {
    Answered(Response<ProxyBody>),
    GoOn(After),
}

/// Effects to apply after it has gone upstream.
#[derive(Default)]
struct After {
    duplicate: Option<Which>,
    overtaken: Option<oneshot::Sender<()>>,
    faults: Vec<Arc<Active>>,
}

impl Exchange<'_> {
    fn hit(&self, fault: &Active, what: impl FnOnce() -> String) -> bool {
        let Call { service, operation, path, .. } = &self.call;
        let connection = self.upstream.connection.fate.number;
        self.upstream.connection.board.hit(fault, connection, || {
            let name = if service.is_empty() { path } else { service };
            format!("{name} {operation}: {}", what())
        })
    }

    async fn before(&self, head: &Parts, body: &mut ProxyBody) -> Result<Before, Broken> {
        let mut after = After::default();
        let board = &self.upstream.connection.board;
        for fault in board.in_force() {
            let Some(http) = fault.http() else { continue };
            if !fault.spec.on.means(&self.call) {
                continue;
            }
            match http {
                HttpFault::AwsError { error } => {
                    let Some(told) = aws::Told::of(&self.call, error) else { continue };
                    if self.hit(&fault, || format!("{} {}", told.status.as_u16(), told.code)) {
                        self.drain(body).await;
                        let number = fault.fired();
                        let answer = told.answer(&self.call, &head.method, number);
                        return Ok(Before::Answered(answer));
                    }
                }
                HttpFault::GoogleError { error } => {
                    let Some(told) = google::Told::of(&self.call, *error) else { continue };
                    if self.hit(&fault, || told.name.to_owned()) {
                        self.drain(body).await;
                        return Ok(Before::Answered(told.answer(&self.call)));
                    }
                }
                HttpFault::LostRequest { loss } => {
                    if self.hit(&fault, || "never sent".to_owned()) {
                        return self.lose(*loss).await;
                    }
                }
                HttpFault::Duplicate { answer } => {
                    body.read_ahead().await;
                    if body.is_complete() && self.hit(&fault, || "sent twice".to_owned()) {
                        after.duplicate = Some(*answer);
                    }
                }
                HttpFault::Reorder { max_hold_ms } => {
                    if after.overtaken.is_none() {
                        after.overtaken = self.reorder(&fault, *max_hold_ms).await;
                    }
                }
                HttpFault::Latency { delay_ms, jitter_ms } => {
                    let delay = board.jittered(*delay_ms, *jitter_ms);
                    if self.hit(&fault, || format!("{} ms", delay.as_millis())) {
                        sleep(delay).await;
                    }
                }
                HttpFault::Hang => {
                    if self.hit(&fault, || "hangs".to_owned()) {
                        fault.removed().await;
                    }
                }
                HttpFault::LostResponse { .. } | HttpFault::SlowBody { .. } => {
                    after.faults.push(fault);
                }
            }
        }
        Ok(Before::GoOn(after))
    }

    /// Reads the body to its end: a client of HTTP/1.1 may write all of it before it reads an
    /// answer.
    async fn drain(&self, body: &mut ProxyBody) {
        if self.version != Version::HTTP_2 {
            body.read_ahead().await;
        }
    }

    /// Overtakes the held call, or is held until overtaken.
    async fn reorder(&self, fault: &Active, max_hold_ms: u64) -> Option<oneshot::Sender<()>> {
        let key = format!("{} {}", self.call.service, self.call.operation);
        let receiver = {
            let mut held = fault.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waiting) = held.remove(&key).filter(|waiting| !waiting.is_closed()) {
                return Some(waiting);
            }
            if !self.hit(fault, || format!("held for the next one, at most {max_hold_ms} ms")) {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            held.insert(key, sender);
            receiver
        };
        tokio::select! {
            // Overtaken, timed out, or the fault was removed.
            _ = timeout(Duration::from_millis(max_hold_ms), receiver) => {}
            () = fault.removed() => {}
        }
        None
    }

    /// Sends a request twice, one after the other.
    async fn twice(
        &self,
        head: Parts,
        body: &ProxyBody,
        which: Which,
    ) -> Result<Response<ProxyBody>, Broken> {
        let send = async |head: Parts| {
            let request = Request::from_parts(head, body.again());
            let mut response = self.upstream.send(request).await?.map(ProxyBody::from);
            response.body_mut().read_ahead().await;
            Ok::<_, Broken>(response)
        };
        let first = send(head.clone()).await?;
        if !first.body().is_complete() {
            // A stream of answers: the same connection can't take the second one.
            return Ok(first);
        }
        let last = send(head).await?;
        Ok(if which == Which::First { first } else { last })
    }

    async fn after(
        &self,
        faults: &[Arc<Active>],
        mut response: Response<ProxyBody>,
    ) -> Result<Response<ProxyBody>, Broken> {
        for fault in faults {
            match fault.http() {
                Some(HttpFault::LostResponse { loss }) => {
                    response.body_mut().read_ahead().await;
                    let status = response.status();
                    if self.succeeded(&response)
                        && self.hit(fault, || format!("the answer {status} is lost"))
                    {
                        return self.lose(*loss).await;
                    }
                }
                Some(HttpFault::SlowBody { bytes_per_s })
                    if self.hit(fault, || format!("{bytes_per_s} bytes/s")) =>
                {
                    response = response.map(|body| body.slowed(Arc::clone(fault), *bytes_per_s));
                }
                _ => {}
            }
        }
        Ok(response)
    }

    fn succeeded(&self, response: &Response<ProxyBody>) -> bool {
        let of_grpc = || {
            let status = response.headers().get("grpc-status");
            let trailers = response.body().trailers();
            let status = status.or_else(|| trailers.and_then(|all| all.get("grpc-status")));
            // Without a status, it is a stream that goes on.
            status.is_none_or(|status| status == "0")
        };
        response.status().is_success() && (self.call.protocol != Protocol::Grpc || of_grpc())
    }

    async fn lose<T>(&self, loss: Loss) -> Result<T, Broken> {
        if loss == Loss::Stream && self.version == Version::HTTP_2 {
            return Err(Broken::Stream(h2::Error::from(h2::Reason::CANCEL)));
        }
        self.upstream.connection.fate.end(Ending::Reset);
        // The connection's task ends first.
        std::future::pending().await
    }
}
