//! One trade.

use thiserror::Error;

use crate::{Price, Quantity};

/// One trade of a symbol. The exchange gives the id, unique and contiguous for the symbol, which
/// alone decides if two trades are the same. Ordered by id first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trade {
    /// The exchange's id; at most [`Trade::MAX_ID`].
    pub id: u64,
    /// The time of the trade: epoch milliseconds, at most [`Trade::MAX_TIME_MS`].
    pub time_ms: u64,
    /// The price of one unit.
    pub price: Price,
    /// The traded amount of the base asset.
    pub quantity: Quantity,
    /// True if the buyer's order was the resting one, so that the seller was the taker.
    pub buyer_is_maker: bool,
}

impl Trade {
    /// The greatest id: the maximum of a signed 64-bit integer of a database.
    pub const MAX_ID: u64 = i64::MAX.unsigned_abs();

    /// The last millisecond of the year 9999, so that a year has four digits.
    pub const MAX_TIME_MS: u64 = 253_402_300_799_999;

    /// The most that price times quantity may be: 10^12 whole units of the quote asset, in 1e-16
    /// units.
    ///
    /// This makes folding infallible. A candle's quote volume is at most its number of trades times
    /// this, and 128 bits hold 3.4 * 10^10 such trades: at a million trades a second, nine hours of
    /// them in one candle, each a trillion. A candle's volume cannot overflow at all: 2^64 ids
    /// times 10^18 units is below 2^128.
    pub const MAX_NOTIONAL: u128 = 10_u128.pow(28);

    /// Price times quantity, in 1e-16 units of the quote asset.
    #[must_use]
    pub const fn notional(&self) -> u128 {
        // At most 10^18 * 10^18, so this fits. The casts widen; `u128::from` is not const.
        self.price.units() as u128 * self.quantity.units() as u128
    }

    /// Returns the trade if it is within the limits. Called by every decoder.
    pub const fn check(self) -> Result<Self, TradeError> {
        if self.id > Self::MAX_ID {
            Err(TradeError::Id)
        } else if self.time_ms > Self::MAX_TIME_MS {
            Err(TradeError::Time)
        } else if self.notional() > Self::MAX_NOTIONAL {
            Err(TradeError::Notional)
        } else {
            Ok(self)
        }
    }
}

/// The limit that a trade exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TradeError {
    /// The id is above [`Trade::MAX_ID`].
    #[error("above {}", Trade::MAX_ID)]
    Id,
    /// The time is after [`Trade::MAX_TIME_MS`].
    #[error("after the year 9999")]
    Time,
    /// Price times quantity is above [`Trade::MAX_NOTIONAL`].
    #[error("price times quantity is above 10^12")]
    Notional,
}
