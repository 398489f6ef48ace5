//! One trade through the deployed queue and into a candle: the whole way, with the names, roles and
//! code that were just deployed. It is a trade of a symbol of its own, so no real candle gets it.

use std::time::{Duration, Instant};

use candle::message::{self, Batch};
use candle::{CandleKey, Interval, Price, Quantity, Symbol, Trade};
use pipeline::ports::{CandleStore, PortError, Queue};
use serde::Serialize;

const POLL: Duration = Duration::from_millis(100);

/// The trade came through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// The message's id in the queue.
    pub message_id: String,
    /// From publishing it to seeing it in a candle, in milliseconds.
    pub took_ms: u64,
}

/// Why the trade didn't come through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue did not take it.
    #[error("smoke test: publish a trade: {0}; check that these credentials may send to the queue")]
    NotPublished(PortError),
    /// The candles can't be read.
    #[error("smoke test: read the candle: {0}; check that these credentials may read the candles")]
    NotReadable(PortError),
    /// It is in no candle.
    #[error(
        "smoke test: message {message_id} is in no candle after {} s; look at the function's log, and at the dead \
         letters with `cargo xtask status`",
        waited.as_secs()
    )]
    NotSeen {
        /// The message's id in the queue.
        message_id: String,
        /// How long was waited.
        waited: Duration,
    },
}

/// Sends one trade of `symbol`, which happened at `now_ms` (epoch milliseconds, and its id), and waits
/// until it is in the candle of `interval`, but no longer than `limit`.
pub async fn test<Q: Queue, S: CandleStore>(
    limit: Duration,
    queue: &Q,
    store: &S,
    symbol: &Symbol,
    interval: Interval,
    now_ms: u64,
) -> Result<Passed, Error> {
    let trade = Trade {
        id: now_ms,
        time_ms: now_ms,
        price: Price::ONE,
        quantity: Quantity::ONE,
        buyer_is_maker: false,
    };
    let body = message::encode(&Batch { symbol: symbol.clone(), trades: vec![trade] });
    let begun = Instant::now();
    let mut answers = queue.publish(vec![body]).await;
    let message_id = answers.remove(0).map_err(Error::NotPublished)?.0;
    let key = CandleKey::at(symbol, interval, now_ms);
    loop {
        let candle = store.load(&key).await.map_err(Error::NotReadable)?;
        if candle.is_some_and(|(candle, _)| candle.ids().contains(trade.id)) {
            let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Ok(Passed { message_id, took_ms });
        }
        let waited = begun.elapsed();
        if waited >= limit {
            return Err(Error::NotSeen { message_id, waited });
        }
        tokio::time::sleep(POLL).await;
    }
}
