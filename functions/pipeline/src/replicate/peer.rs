//! The other cloud's archive, read with bounded retries and deadlines.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::ports::{Archive, Fault, PortError, Put};

/// A read-only archive with a timeout and retries.
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

    /// The peer with a deadline for all of its answers.
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
    /// Sends a request, and retries it after a pause if that can help.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::backoff::tests::{assert_waited, backoff};

    /// An archive that answers every call with this error.
    struct Fails {
        fault: Fault,
        asked: AtomicU32,
    }

    impl Fails {
        fn answer<T>(&self, operation: &'static str) -> Result<T, PortError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let detail = "planted".to_owned();
            Err(PortError { service: "s3", operation, fault: self.fault, detail })
        }
    }

    impl Archive for Fails {
        async fn put_if_absent(&self, _name: &str, _bytes: Bytes) -> Result<Put, PortError> {
            self.answer("PutObject")
        }

        async fn get(&self, _name: &str) -> Result<Option<Bytes>, PortError> {
            self.answer("GetObject")
        }

        async fn list(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, PortError> {
            self.answer("ListObjectsV2")
        }
    }

    fn peer(fault: Fault) -> Peer<Fails> {
        let archive = Fails { fault, asked: AtomicU32::new(0) };
        Peer::new(archive, backoff(), Duration::from_secs(10))
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_again_after_pauses_only_where_that_can_help() {
        let start = Instant::now();
        let refusing = peer(Fault::Refused);
        let by = refusing.by(start + Duration::from_mins(5));
        assert_eq!(by.get("any").await.expect_err("refused").fault, Fault::Refused);
        assert_eq!(refusing.archive.asked.load(Ordering::SeqCst), 1);
        assert_eq!(start.elapsed(), Duration::ZERO);

        let away = peer(Fault::Unreachable);
        let by = away.by(start + Duration::from_mins(5));
        let error = by.list("any", None, 1).await.expect_err("away");
        assert_eq!(error.to_string(), "s3 ListObjectsV2: planted");
        assert_eq!(away.archive.asked.load(Ordering::SeqCst), 4);
        assert_waited(start, &backoff(), 0..3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_never_written_to() {
        let peer = peer(Fault::Unknown);
        let by = peer.by(Instant::now() + Duration::from_mins(5));
        let error = by.put_if_absent("any", Bytes::new()).await.expect_err("it is only read");
        assert_eq!(error.fault, Fault::Refused);
        assert_eq!(peer.archive.asked.load(Ordering::SeqCst), 0);
    }
}
