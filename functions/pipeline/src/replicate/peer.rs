//! The other cloud's archive, asked with patience and bounds.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::ports::{Archive, Fault, PortError, Put};

/// An archive that is only read.
#[derive(Debug)]
pub(super) struct Peer<P> {
    archive: P,
    backoff: Backoff,
    answer: Duration,
}

impl<P: Archive> Peer<P> {
    pub(super) fn new(archive: P, backoff: Backoff, answer: Duration) -> Self {
        Self { archive, backoff, answer }
    }

    /// The peer for questions that are answered by `deadline`, or not at all.
    pub(super) fn by(&self, deadline: Instant) -> PeerBy<'_, P> {
        PeerBy { peer: self, deadline }
    }
}

/// A peer with a deadline.
pub(super) struct PeerBy<'p, P> {
    peer: &'p Peer<P>,
    deadline: Instant,
}

impl<P: Archive> PeerBy<'_, P> {
    /// Asks again, after a pause, where that can help.
    async fn ask<T, F>(
        &self,
        operation: &'static str,
        question: impl Fn() -> F,
    ) -> Result<T, PortError>
    where
        F: Future<Output = Result<T, PortError>>,
    {
        let Peer { backoff, answer, .. } = self.peer;
        let mut attempt = 0;
        loop {
            let until = self.deadline.min(Instant::now() + *answer);
            let error = match timeout_at(until, question()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => no_answer(operation, *answer),
            };
            attempt += 1;
            let pause = timeout_at(self.deadline, backoff.wait(attempt - 1));
            if !error.fault.may_pass() || attempt >= backoff.attempts() || pause.await.is_err() {
                return Err(error);
            }
        }
    }
}

impl<P: Archive> Archive for PeerBy<'_, P> {
    async fn put_if_absent(&self, _name: &str, _bytes: Bytes) -> Result<Put, PortError> {
        let detail = "the peer is only read".to_owned();
        Err(PortError { service: "peer", operation: "put", fault: Fault::Refused, detail })
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        self.ask("get", || self.peer.archive.get(name)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        self.ask("list", || self.peer.archive.list(prefix, after, limit)).await
    }
}

fn no_answer(operation: &'static str, answer: Duration) -> PortError {
    let detail = format!("no answer within {} ms", answer.as_millis());
    PortError { service: "peer", operation, fault: Fault::Unknown, detail }
}
