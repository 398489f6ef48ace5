//! Bodies that pass, that were read to the end, or that pass slowly.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout_at};

use crate::active::Active;

/// Limits of reading a body before it is passed on, in bytes and in time: a stream has no end to wait for.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
const END_WAIT: Duration = Duration::from_secs(1);
/// The granularity of a slow body.
const TICKS_PER_S: u64 = 20;

/// A body that passes the proxy.
pub(crate) struct ProxyBody {
    /// Frames that were read, or made, before it is passed on.
    front: VecDeque<Frame<Bytes>>,
    rest: Option<Incoming>,
    slow: Option<Slow>,
}

struct Slow {
    fault: Arc<Active>,
    bytes_per_s: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl From<Incoming> for ProxyBody {
    fn from(body: Incoming) -> Self {
        Self { front: VecDeque::new(), rest: Some(body), slow: None }
    }
}

impl ProxyBody {
    /// A body made by the proxy; without frames if it is empty.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let front = if bytes.is_empty() { None } else { Some(Frame::data(bytes)) };
        Self { front: front.into_iter().collect(), rest: None, slow: None }
    }

    /// Reads the body to its end, if that comes soon.
    pub(crate) async fn read_ahead(&mut self) {
        let deadline = Instant::now() + END_WAIT;
        let mut kept: usize = self.front.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        while let Some(rest) = &mut self.rest
            && kept < KEPT_BYTES
        {
            match timeout_at(deadline, rest.frame()).await {
                Ok(Some(Ok(frame))) => {
                    kept += frame.data_ref().map_or(0, Bytes::len);
                    self.front.push_back(frame);
                }
                Ok(None) => self.rest = None,
                // A broken body breaks for the reader of the rest; a slow one is passed on as it is.
                Ok(Some(Err(_))) | Err(_) => break,
            }
        }
    }

    /// True if the whole body was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.rest.is_none()
    }

    /// The bytes read so far, without a copy if they are one piece.
    pub(crate) fn bytes(&self) -> Bytes {
        let mut pieces = self.front.iter().filter_map(Frame::data_ref);
        match (pieces.next(), pieces.next()) {
            (Some(only), None) => only.clone(),
            _ => self.front.iter().filter_map(Frame::data_ref).flatten().copied().collect(),
        }
    }

    /// The trailers read so far.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.front.back().and_then(Frame::trailers_ref)
    }

    /// A copy of a complete body.
    pub(crate) fn again(&self) -> Self {
        let frames = self.front.iter().filter_map(|frame| match frame.data_ref() {
            Some(data) => Some(Frame::data(data.clone())),
            None => frame.trailers_ref().cloned().map(Frame::trailers),
        });
        Self { front: frames.collect(), rest: None, slow: None }
    }

    /// Passes the body slowly, as long as the fault is in force.
    pub(crate) fn slowed(mut self, fault: Arc<Active>, bytes_per_s: u64) -> Self {
        self.slow = Some(Slow { fault, bytes_per_s, pause: None });
        self
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(frame) = self.front.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(slow) = &mut this.slow else { return this.poll_next(context) };
        if let Some(pause) = &mut slow.pause {
            ready!(pause.as_mut().poll(context));
            slow.pause = None;
        }
        let (in_force, bytes_per_s) = (slow.fault.is_in_force(), slow.bytes_per_s);
        let next = ready!(this.poll_next(context));
        let Some(Ok(frame)) = next else { return Poll::Ready(next) };
        let mut data = match frame.into_data() {
            Ok(data) if in_force => data,
            Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Err(frame) => return Poll::Ready(Some(Ok(frame))),
        };
        let tick = usize::try_from((bytes_per_s / TICKS_PER_S).max(1)).unwrap_or(usize::MAX);
        if data.len() > tick {
            this.front.push_front(Frame::data(data.split_off(tick)));
        }
        if let Some(slow) = &mut this.slow {
            let us = (data.len() as u64).saturating_mul(1_000_000) / bytes_per_s;
            slow.pause = Some(Box::pin(sleep(Duration::from_micros(us))));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.rest.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let front: usize = self.front.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let front = front as u64;
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(front + upper);
        }
        hint.set_lower(front + rest.lower());
        hint
    }
}
