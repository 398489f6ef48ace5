//! Interfaces to a cloud: a queue, an archive and a candle store.
//!
//! Every implementation passes the same suite (crate `conformance`): memory, AWS and Google, emulated or real.
//!
//! **After a [`Fault::Unknown`] the effect may or may not have happened.** Every operation is therefore safe to repeat:
//! publishing again makes a duplicate, which folding ignores; putting an object again returns [`Put::Present`]; writing a
//! candle again fails its compare-and-set, and its trades are found applied.

use std::future::Future;

use bytes::{Bytes, BytesMut};
use candle::archive::MAX_BYTES;
use candle::{Candle, CandleKey, Interval, Symbol};

/// Immutable objects, named by their content.
pub trait Archive: Send + Sync {
    /// Stores `bytes` under `name` unless an object of that name exists.
    fn put_if_absent(
        &self,
        name: &str,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Put, PortError>> + Send;

    /// The object, or `None` if there is none of that name. An object above the size limit is [`Fault::Corrupt`]; it is read
    /// no further than that limit, see [`Incoming`].
    fn get(&self, name: &str) -> impl Future<Output = Result<Option<Bytes>, PortError>> + Send;

    /// At most `limit` names that start with `prefix` (whole path segments) and sort after `after`, in byte order.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, PortError>> + Send;
}

/// A reader's buffer for an object that arrives in chunks. It fails once the announced or received size exceeds the limit: a
/// peer's archive may hold anything, and a function has little memory.
#[derive(Debug)]
pub struct Incoming {
    service: &'static str,
    operation: &'static str,
    bytes: BytesMut,
}

impl Incoming {
    /// An empty buffer; `announced` is the size in the response's header, if any. Fails if that exceeds the limit.
    pub fn new(
        service: &'static str,
        operation: &'static str,
        announced: Option<u64>,
    ) -> Result<Self, PortError> {
        let incoming = Self { service, operation, bytes: BytesMut::new() };
        match announced {
            Some(size) if size > MAX_BYTES as u64 => Err(incoming.too_large(size)),
            _ => Ok(incoming),
        }
    }

    /// Appends the next chunk; fails if the size exceeds the limit.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), PortError> {
        let size = self.bytes.len() + chunk.len();
        if size > MAX_BYTES {
            return Err(self.too_large(size as u64));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The complete object.
    #[must_use]
    pub fn whole(self) -> Bytes {
        self.bytes.freeze()
    }

    fn too_large(&self, size: u64) -> PortError {
        PortError {
            service: self.service,
            operation: self.operation,
            fault: Fault::Corrupt,
            detail: format!("{size} bytes or more, and no object has more than {MAX_BYTES}"),
        }
    }
}

/// Outcome of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was absent and is now stored.
    Created,
    /// An object of that name existed; it is unchanged.
    Present,
}

/// Candles by key, written by compare-and-set.
pub trait CandleStore: Send + Sync {
    /// The version of a stored candle, which a compare-and-set expects.
    type Version: Clone + Send + Sync;

    /// The candle of `key` and its version, read with strong consistency; `None` if there is none.
    fn load(
        &self,
        key: &CandleKey,
    ) -> impl Future<Output = Result<Option<(Candle, Self::Version)>, PortError>> + Send;

    /// Writes `candle` if the stored version still is `expected` (`None`: if no candle of its key is stored).
    fn store(
        &self,
        candle: &Candle,
        expected: Option<&Self::Version>,
    ) -> impl Future<Output = Result<Stored, PortError>> + Send;

    /// All candles of a symbol and an interval, by open time.
    fn scan(
        &self,
        symbol: &Symbol,
        interval: Interval,
    ) -> impl Future<Output = Result<Vec<Candle>, PortError>> + Send;
}

/// Outcome of a compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The candle is written.
    Written,
    /// Another writer was first; the store is unchanged.
    Conflict,
    /// More of the candle's ids change than one step can write; the store is unchanged. Fewer trades at a time change less.
    TooLarge,
}

/// Saved position of the deep comparison of two archives. It only saves time: if it is lost, old, or of another deployment,
/// names are compared again, and nothing else happens.
pub trait Cursor: Send + Sync {
    /// The text that was saved last, if any.
    fn load(&self) -> impl Future<Output = Result<Option<String>, PortError>> + Send;

    /// Saves `text`, replacing what was saved before.
    fn save(&self, text: &str) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Stores `mark` beside the cursor as the cloud's incarnation id, unless it has one; it is lost with the cloud's data.
    /// Read by [`OverrideStore::incarnation`](crate::route::overrides::OverrideStore::incarnation).
    fn ensure_incarnation(&self, mark: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// At-least-once delivery with a dead-letter queue; order is not guaranteed.
pub trait Queue: Send + Sync {
    /// Publishes each body as one message; the results are in the order of the bodies.
    fn publish(
        &self,
        bodies: Vec<String>,
    ) -> impl Future<Output = Vec<Result<MessageId, PortError>>> + Send;

    /// Up to `max` messages, hidden from other receivers until released, acknowledged or timed out. Waits a moment for the
    /// first one; may return none although the queue has messages.
    fn receive(&self, max: usize) -> impl Future<Output = Result<Vec<Received>, PortError>> + Send;

    /// Removes a received message permanently.
    fn acknowledge(&self, receipt: &Receipt) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Returns a received message for immediate redelivery.
    fn release(&self, receipt: &Receipt) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The queue's id of a published message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub String);

/// The handle that acknowledges one delivery of a message; another delivery has another receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(pub String);

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message's identity, the same in every delivery.
    pub id: MessageId,
    /// The handle that acknowledges this delivery.
    pub receipt: Receipt,
    /// The payload.
    pub body: Bytes,
}

/// A failed operation on a cloud.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service} {operation}: {detail}")]
pub struct PortError {
    /// The service, such as `dynamodb` or `pubsub`.
    pub service: &'static str,
    /// The operation by the service's own name, such as `PutItem`.
    pub operation: &'static str,
    /// The kind of failure: it says if the effect may have happened, and if a retry can help.
    pub fault: Fault,
    /// The message of the service or the client.
    pub detail: String,
}

/// The kind of a failure, by its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A timeout, a broken connection, a throttle, a 5xx: the effect may have happened; a retry may help.
    Unknown,
    /// Connection refused: nothing was sent, so there is no effect; a retry may help.
    Unreachable,
    /// The service rejected the request: no effect, and the same request will be rejected again.
    Refused,
    /// The stored data can't be decoded.
    Corrupt,
}

impl Fault {
    /// True if the same request may succeed at a retry.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unknown | Self::Unreachable)
    }
}

impl PortError {
    /// An error whose detail is `cause` and all of its sources. A [`Fault::Unknown`] becomes [`Fault::Unreachable`] if one
    /// of them is a refused connection.
    pub fn new(
        service: &'static str,
        operation: &'static str,
        fault: Fault,
        cause: &(dyn std::error::Error + 'static),
    ) -> Self {
        let is_refused = fault == Fault::Unknown && is_connection_refused(cause);
        let fault = if is_refused { Fault::Unreachable } else { fault };
        Self { service, operation, fault, detail: chain(cause) }
    }
}

/// True if an SDK's error has a refused connection among its sources.
fn is_connection_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let system = error.downcast_ref::<std::io::Error>();
        if system.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error and its sources in one line; in SDK errors the useful text is in the sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("dispatch failure")]
    struct Dispatch(#[source] io::Error);

    #[test]
    fn a_refused_connection_is_told_from_a_broken_one() {
        let fault = |kind, fault| {
            let cause = Dispatch(io::Error::from(kind));
            PortError::new("sqs", "SendMessageBatch", fault, &cause).fault
        };
        let (refused, reset) = (io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset);
        assert_eq!(fault(refused, Fault::Unknown), Fault::Unreachable);
        assert_eq!(fault(reset, Fault::Unknown), Fault::Unknown);
        assert_eq!(fault(refused, Fault::Refused), Fault::Refused, "who asked knows better");
    }

    #[test]
    fn an_error_tells_each_of_its_causes_once() {
        /// An error with its cause both in its text and as its source, as some libraries write them.
        #[derive(Debug)]
        struct Request(Dispatch);
        impl fmt::Display for Request {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "request 7: {}", self.0)
            }
        }
        impl std::error::Error for Request {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }

        let cause = Request(Dispatch(io::Error::other("no route to host")));
        let error = PortError::new("sqs", "SendMessageBatch", Fault::Unknown, &cause);
        let expected = "sqs SendMessageBatch: request 7: dispatch failure: no route to host";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_may_pass_is_what_the_service_did_not_decide() {
        let faults = [Fault::Unknown, Fault::Unreachable, Fault::Refused, Fault::Corrupt];
        assert_eq!(faults.map(Fault::may_pass), [true, true, false, false]);
    }

    #[test]
    fn an_object_is_read_up_to_the_greatest_size_and_no_further() {
        let incoming = |announced| Incoming::new("s3", "GetObject", announced);
        assert!(incoming(Some(MAX_BYTES as u64)).is_ok());
        let error = incoming(Some(MAX_BYTES as u64 + 1)).expect_err("too large");
        assert_eq!(error.fault, Fault::Corrupt);
        let expected =
            "s3 GetObject: 1048577 bytes or more, and no object has more than 1048576".to_owned();
        assert_eq!(error.to_string(), expected);
        let mut object = incoming(None).expect("no size is told");
        object.push(&vec![1; MAX_BYTES - 1]).expect("less than the most");
        object.push(&[2]).expect("the most");
        assert_eq!(object.push(&[3]).expect_err("more than the most").to_string(), expected);
        let whole = object.whole();
        assert_eq!((whole.len(), &whole[MAX_BYTES - 2..]), (MAX_BYTES, &[1, 2][..]));
    }
}
