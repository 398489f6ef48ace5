//! What the pipeline asks of a cloud: a queue, an archive and a candle store.
//!
//! Every implementation passes the same suite (crate `conformance`): memory, AWS and Google, emulated or real.
//!
//! **After a [`Fault::Unknown`] the effect may or may not have happened.** Every operation is therefore safe to
//! repeat: publishing again is a duplicate, which folding ignores; putting an object again finds it there;
//! writing a candle again loses its compare-and-set and finds its trades applied.

use std::future::Future;

use bytes::{Bytes, BytesMut};
use candle::archive::MAX_BYTES;
use candle::{Candle, CandleKey, Interval, Symbol};

/// Immutable objects, named by their content.
pub trait Archive: Send + Sync {
    /// Stores `bytes` under `name` unless an object of that name is there already.
    fn put_if_absent(
        &self,
        name: &str,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Put, PortError>> + Send;

    /// The object, or `None` if there is none of that name. One that is larger than an object may be, see
    /// [`Incoming`], is [`Fault::Corrupt`], and no more of it is ever read or held.
    fn get(&self, name: &str) -> impl Future<Output = Result<Option<Bytes>, PortError>> + Send;

    /// At most `limit` names that start with `prefix` (whole path segments) and sort after `after`, in byte order.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, PortError>> + Send;
}

/// An object as it comes in, chunk by chunk: one that says that it is larger than an object may be, or turns out to be, ends
/// the read. A peer's archive may hold anything, and a function has little memory.
#[derive(Debug)]
pub struct Incoming {
    service: &'static str,
    operation: &'static str,
    bytes: BytesMut,
}

impl Incoming {
    /// An object of which nothing has come yet; `announced` is the size that the answer's head says, if it says one.
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

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), PortError> {
        let size = self.bytes.len() + chunk.len();
        if size > MAX_BYTES {
            return Err(self.too_large(size as u64));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// All of it.
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

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was not there, and now is.
    Created,
    /// An object of that name was there; it was not touched.
    Present,
}

/// Candles by key, written by compare-and-set.
pub trait CandleStore: Send + Sync {
    /// What a write must still find for it to succeed.
    type Version: Clone + Send + Sync;

    /// The candle of `key` and its version, read with strong consistency; `None` if there is none.
    fn load(
        &self,
        key: &CandleKey,
    ) -> impl Future<Output = Result<Option<(Candle, Self::Version)>, PortError>> + Send;

    /// Writes `candle` if the stored version still is `expected` (`None`: if there is no candle of its key).
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

/// What became of a compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The candle is written.
    Written,
    /// Another writer was first; nothing is written.
    Conflict,
    /// More of the candle's ids change than one step can write; nothing is written. Fewer trades at a time change less.
    TooLarge,
}

/// Where the last deep comparison of two archives has got to. It only saves time: one that is lost, old, or of
/// another deployment leads to names being compared again, and to nothing else.
pub trait Cursor: Send + Sync {
    /// The text that was saved last, if any.
    fn load(&self) -> impl Future<Output = Result<Option<String>, PortError>> + Send;

    /// Keeps `text`, in place of what was there.
    fn save(&self, text: &str) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Leaves a mark beside the cursor, by which this cloud is known until its data are lost, unless it has one.
    /// [`OverrideStore::incarnation`](crate::route::overrides::OverrideStore::incarnation) finds it.
    fn ensure_incarnation(&self, mark: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// At-least-once delivery with a dead-letter queue behind it. Order is not promised.
pub trait Queue: Send + Sync {
    /// Publishes each body as one message; the answers stand in the order of the bodies.
    fn publish(
        &self,
        bodies: Vec<String>,
    ) -> impl Future<Output = Vec<Result<MessageId, PortError>>> + Send;

    /// Up to `max` messages, hidden from other receivers until released, acknowledged or timed out. May be empty
    /// although messages are there; waits a moment for the first one.
    fn receive(&self, max: usize) -> impl Future<Output = Result<Vec<Received>, PortError>> + Send;

    /// Removes a received message for good.
    fn acknowledge(&self, receipt: &Receipt) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Gives a received message back for redelivery now.
    fn release(&self, receipt: &Receipt) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The queue's own name for a published message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub String);

/// What acknowledges one delivery of a message; another delivery has another receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(pub String);

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message's identity, the same in every delivery.
    pub id: MessageId,
    /// What acknowledges this delivery.
    pub receipt: Receipt,
    /// The message.
    pub body: Bytes,
}

/// An operation on a cloud that did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service} {operation}: {detail}")]
pub struct PortError {
    /// Such as `dynamodb` or `pubsub`.
    pub service: &'static str,
    /// Such as `PutItem`, in the service's own words.
    pub operation: &'static str,
    /// Whether trying again can help.
    pub fault: Fault,
    /// What the service or the client said.
    pub detail: String,
}

/// Whether the effect of a failed operation may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A timeout, a broken connection, a throttle, a 5xx: the effect may have happened; trying again may help.
    Unknown,
    /// Nobody was there: the connection was refused, so nothing was sent and there is no effect; trying again may help.
    Unreachable,
    /// The service refused: no effect, and the same request will be refused again.
    Refused,
    /// What is stored can't be read as what it should be.
    Corrupt,
}

impl Fault {
    /// Whether the same request may succeed another time.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unknown | Self::Unreachable)
    }
}

impl PortError {
    /// An error whose detail is `cause` and all of its sources. One that would be [`Fault::Unknown`] is
    /// [`Fault::Unreachable`] if the system refused the connection.
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

/// Whether what lies below an SDK's error is a refused connection.
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

/// An error and its sources in one line; SDK errors keep what matters in the sources.
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
