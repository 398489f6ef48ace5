//! The kinds of lines that a recording of Binance may hold.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::serde_as_text;

/// The treatment of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Taken: a trade.
    Taken,
    /// Counted by its kind: data of Binance that is no trade for candles.
    PassedOver,
    /// Malformed: counted by its kind, and reported with its place and the reason.
    Refused,
}

impl Outcome {
    /// The text for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::PassedOver => "passed over and counted",
            Self::Refused => "refused",
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $kind:ident = $name:literal, $outcome:ident;)+) => {
        /// The kind of a line, or of an item of a list on a line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $about])+ $kind,)+
        }

        impl Kind {
            /// All kinds: those that are taken first, those that are refused last.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name that counts are kept under.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The outcome for such a line.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self {
                    $(Self::$kind => Outcome::$outcome,)+
                }
            }

            /// A description of such a line, in Markdown on one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($about),+).trim_ascii(),)+
                }
            }
        }
    };
}

kinds! {
    /// A trade of a stream, of spot or futures, raw or combined.
    Trade = "trade", Taken;
    /// A row of a REST answer such as `historicalTrades`, by itself or in a list.
    RestRow = "rest_row", Taken;
    /// A row of a file of trades of data.binance.vision, of spot or futures.
    CsvRow = "csv_row", Taken;
    /// Nothing but blanks.
    Blank = "blank", PassedOver;
    /// The names of a file's columns.
    Header = "header", PassedOver;
    /// What was asked of the exchange, such as a subscription.
    Request = "request", PassedOver;
    /// The answer to a request, or an empty list.
    Answer = "answer", PassedOver;
    /// An answer that says what went wrong.
    ErrorAnswer = "error_answer", PassedOver;
    /// Another event, such as `aggTrade`, `bookTicker` or `depthUpdate`; also those that do not name their type.
    OtherEvent = "other_event", PassedOver;
    /// A row of another file of data.binance.vision, such as `aggTrades` or `klines`.
    OtherRow = "other_row", PassedOver;
    /// A futures entry that says it is no trade: `X` is `NA`, or price and quantity are zero.
    Placeholder = "placeholder", PassedOver;
    /// A futures trade outside of the order book: `X` is `INSURANCE_FUND`, `ADL` or anything else than `MARKET`.
    OffBook = "off_book", PassedOver;
    /// A trade whose price or quantity is zero.
    Zero = "zero", PassedOver;
    /// A trade of a symbol that no deployment can trade: other characters than A-Z and 0-9, or more than 20.
    ForeignSymbol = "foreign_symbol", PassedOver;
    /// A trade of a symbol that was not asked for.
    OtherSymbol = "other_symbol", PassedOver;
    /// The last line, where it has no end and breaks off; told with its place too.
    CutShort = "cut_short", PassedOver;
    /// A trade with a field that is missing or wrong.
    BadTrade = "bad_trade", Refused;
    /// A row of a trade where neither the row, nor the file's name, nor a single `--symbol` says of what.
    NoSymbol = "no_symbol", Refused;
    /// A trade whose id another trade of the symbol has already.
    Conflict = "conflict", Refused;
    /// JSON of none of these kinds.
    Unknown = "unknown", Refused;
    /// Neither JSON nor a row.
    Garbage = "garbage", Refused;
    /// Over 1 MiB.
    TooLong = "too_long", Refused;
}

impl Kind {
    /// True if such a line costs the whole file where input is to be strict.
    #[must_use]
    pub fn is_bad(self) -> bool {
        self.outcome() == Outcome::Refused || self == Self::CutShort
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is not the name of a [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a kind of line")]
pub struct KindError;

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(name: &str) -> Result<Self, KindError> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name).ok_or(KindError)
    }
}

serde_as_text!(Kind, "a kind of line");
