//! Sends one trade through the deployed queue and waits for it in a candle: a test of the whole pipeline with the names, roles
//! and code that were just deployed. The trade has a symbol of its own, so no real candle gets it.

use std::time::Duration;

use candle::message::{self, Batch};
use candle::{CandleKey, Interval, Price, Quantity, Symbol, Trade};
use pipeline::ports::{CandleStore, Fault, PortError, Queue};
use serde::Serialize;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(100);
/// The pause after the first denial; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a denial.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The longest time until a grant on AWS is effective.
pub const SPREAD_AWS: Duration = Duration::from_mins(1);
/// The longest time until a grant on Google Cloud is effective: typically 2 minutes, at times 7 or more.
pub const SPREAD_GCP: Duration = Duration::from_mins(10);

/// The limits of the waits of a smoke test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest time until a published trade is in a candle.
    pub seen: Duration,
    /// The time for which a denial is retried, since a new grant may not be effective yet.
    pub spread: Duration,
    /// True if this deploy made grants to the functions or the queue, which may be denied access at first.
    pub granted: bool,
}

/// A passed smoke test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// The message's id in the queue.
    pub message_id: String,
    /// The time from publishing the trade to its candle, in milliseconds.
    pub took_ms: u64,
}

/// The reason why the trade did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Publishing failed.
    #[error("smoke test: publish a trade: {0}; check that these credentials may send to the queue")]
    NotPublished(PortError),
    /// The candles can't be read.
    #[error("smoke test: read the candle: {0}; check that these credentials may read the candles")]
    NotReadable(PortError),
    /// The trade is in no candle.
    #[error(
        "smoke test: message {message_id} is in no candle after {} s; look at the function's log, and at the dead \
         letters with `cargo xtask status`",
        waited.as_secs()
    )]
    NotSeen {
        /// The message's id in the queue.
        message_id: String,
        /// The waiting time.
        waited: Duration,
    },
}

/// Sends one trade of `symbol` at `now_ms` (epoch milliseconds, also its id) and waits until it is in the candle of `interval`.
/// A denied call is retried as long as a grant may not be effective yet, and the first denial is passed to `note`.
pub async fn test<Q: Queue, S: CandleStore>(
    limits: Limits,
    queue: &Q,
    store: &S,
    symbol: &Symbol,
    interval: Interval,
    now_ms: u64,
    note: &mut (dyn FnMut(String) + Send),
) -> Result<Passed, Error> {
    let trade = Trade {
        id: now_ms,
        time_ms: now_ms,
        price: Price::ONE,
        quantity: Quantity::ONE,
        buyer_is_maker: false,
    };
    let body = message::encode(&Batch { symbol: symbol.clone(), trades: vec![trade] });
    let mut denials = Denials::new(limits.spread, note);
    let (begun, message_id) = loop {
        let begun = Instant::now();
        match queue.publish(vec![body.clone()]).await.remove(0) {
            Ok(id) => break (begun, id.0),
            Err(error) if denials.wait("publish a trade", &error).await => {}
            Err(error) => return Err(Error::NotPublished(error)),
        }
    };
    let key = CandleKey::at(symbol, interval, now_ms);
    let mut until = begun + limits.seen;
    let mut longer = limits.granted.then_some(limits.spread);
    loop {
        match store.load(&key).await {
            Ok(candle) => {
                if candle.is_some_and(|(candle, _)| candle.ids().contains(trade.id)) {
                    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Ok(Passed { message_id, took_ms });
                }
            }
            Err(error) if denials.wait("read the candle", &error).await => {
                until = until.max(Instant::now() + POLL);
            }
            Err(error) => return Err(Error::NotReadable(error)),
        }
        if Instant::now() >= until {
            let waited = begun.elapsed();
            let Some(longer) = longer.take().filter(|longer| *longer > waited) else {
                return Err(Error::NotSeen { message_id, waited });
            };
            (denials.note)(format!(
                "smoke test: message {message_id} is in no candle after {} s; this deploy gave rights, which take up to {} s to \
                 be effective, and until then the queue's or the function's calls are denied: waiting for {} s more",
                waited.as_secs(),
                longer.as_secs(),
                longer.saturating_sub(waited).as_secs()
            ));
            until = begun + longer;
        }
        sleep(POLL).await;
    }
}

/// The retries until a grant is effective.
struct Denials<'n> {
    until: Instant,
    pause: Duration,
    noted: bool,
    note: &'n mut (dyn FnMut(String) + Send),
}

impl<'n> Denials<'n> {
    fn new(spread: Duration, note: &'n mut (dyn FnMut(String) + Send)) -> Self {
        Self { until: Instant::now() + spread, pause: FIRST_PAUSE, noted: false, note }
    }

    /// Waits after a denial and notes the first one. Returns false for another error, and after the time is over.
    async fn wait(&mut self, deed: &str, error: &PortError) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if !is_denied(error) || left.is_zero() {
            return false;
        }
        if !self.noted {
            self.noted = true;
            (self.note)(format!(
                "smoke test: {deed}: {error}; a right that was given just now may not be effective yet: trying again for at \
                 most {} s",
                left.as_secs()
            ));
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

/// True for an access-denied error of AWS or Google Cloud.
fn is_denied(error: &PortError) -> bool {
    // `PermissionDenied` is how Firestore's library writes the code.
    let words = ["AccessDenied", "PERMISSION_DENIED", "PermissionDenied"];
    error.fault == Fault::Refused && words.iter().any(|word| error.detail.contains(word))
}

#[cfg(test)]
mod tests;
