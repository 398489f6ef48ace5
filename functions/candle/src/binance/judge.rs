//! Classifies a JSON object of Binance's.

use super::json::Fields;
use super::{Found, FrameError, Kind, field};
use crate::row::Fault;
use crate::scalar::Scalar;
use crate::{DecimalError, Price, Problem, Quantity, Symbol, SymbolError, Trade, TradeError};

/// The names of a trade's fields: id, time, price, quantity, and whether the buyer is the maker.
pub(super) type Names = [&'static str; 5];
const OF_STREAMS: Names = ["t", "T", "p", "q", "m"];
const OF_ROWS: Names = ["id", "time", "price", "qty", "isBuyerMaker"];

/// The symbol of rows that name none themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSymbol<'a> {
    /// This symbol.
    Known(&'a Symbol),
    /// A symbol that no deployment can trade.
    Foreign,
    /// Unknown.
    Unknown,
}

/// Classifies an object by its `fields`; `of` is the symbol of rows that name none.
pub(super) fn judge(fields: &Fields<'_>, of: RowSymbol<'_>) -> Found {
    if !matches!(fields.event, Scalar::Missing) {
        return match fields.event.text() {
            Ok("trade") => of_stream(fields),
            Ok(_) => passed(Kind::OtherEvent),
            Err(problem) => bad(field("e", problem)),
        };
    }
    match fields.stream.text().ok().and_then(|stream| stream.rsplit('@').next()) {
        Some("trade") => return bad(field("e", Problem::Missing)),
        Some(_) => return passed(Kind::OtherEvent),
        None => {}
    }
    let [update, bid, ask, first, last] = fields.untyped.map(Scalar::is_some);
    let [_, _, price, quantity, _] = fields.row.map(Scalar::is_some);
    if fields.error.is_some() || (fields.code.is_some() && fields.message.is_some()) {
        passed(Kind::ErrorAnswer)
    } else if !matches!(fields.result, Scalar::Missing) {
        passed(Kind::Answer)
    } else if fields.method.is_some() {
        passed(Kind::Request)
    } else if price && quantity {
        of_rest(fields, of)
    } else if fields.depth.is_some() || (update && bid && ask) || (ask && first && last) {
        passed(Kind::OtherEvent)
    } else if fields.trade.iter().all(|value| value.is_some()) {
        bad(field("e", Problem::Missing))
    } else {
        Found::Refused { kind: Kind::Unknown, id: None, why: FrameError::Unknown }
    }
}

fn of_stream(fields: &Fields<'_>) -> Found {
    match traded(fields.symbol) {
        Err(problem) => bad(field("s", problem)),
        Ok(None) => passed(Kind::ForeignSymbol),
        Ok(Some(symbol)) => match fields.execution.text() {
            Ok("NA") => passed_trade(Kind::Placeholder, symbol, fields.trade[0]),
            Ok(execution) if execution != "MARKET" => {
                passed_trade(Kind::OffBook, symbol, fields.trade[0])
            }
            _ => trade(Kind::Trade, symbol, fields.trade, &OF_STREAMS),
        },
    }
}

fn of_rest(fields: &Fields<'_>, of: RowSymbol<'_>) -> Found {
    if fields.row_symbol.is_some() {
        return match traded(fields.row_symbol) {
            Err(problem) => bad(field("symbol", problem)),
            Ok(None) => passed(Kind::ForeignSymbol),
            Ok(Some(symbol)) => trade(Kind::RestRow, symbol, fields.row, &OF_ROWS),
        };
    }
    of_row(Kind::RestRow, fields.row, &OF_ROWS, of)
}

/// Classifies a row that does not name its symbol.
pub(super) fn of_row(
    kind: Kind,
    values: [Scalar<'_>; 5],
    names: &Names,
    of: RowSymbol<'_>,
) -> Found {
    match of {
        RowSymbol::Known(symbol) => trade(kind, symbol.clone(), values, names),
        RowSymbol::Foreign => passed(Kind::ForeignSymbol),
        RowSymbol::Unknown => {
            Found::Refused { kind: Kind::NoSymbol, id: None, why: FrameError::NoSymbol }
        }
    }
}

/// The symbol; `None` if it is one that no deployment can trade.
fn traded(value: Scalar<'_>) -> Result<Option<Symbol>, Problem> {
    // An escaped text is treated as non-ASCII, and no symbol of a deployment is.
    if matches!(value, Scalar::Escaped) {
        return Ok(None);
    }
    match Symbol::parse(value.text()?) {
        Ok(symbol) => Ok(Some(symbol)),
        Err(SymbolError::Character { .. } | SymbolError::TooLong { .. }) => Ok(None),
        Err(error @ SymbolError::Empty) => Err(error.into()),
    }
}

const ZERO: Problem = Problem::Decimal(DecimalError::Zero);

/// The trade made of five values, or the reason why it is none. All trades of Binance are validated here.
fn trade(kind: Kind, symbol: Symbol, values: [Scalar<'_>; 5], names: &Names) -> Found {
    let [id, _, price, quantity, _] = values;
    match (price.decimal::<Price>(), quantity.decimal::<Quantity>()) {
        (Err(ZERO), Err(ZERO)) => return passed_trade(Kind::Placeholder, symbol, id),
        (Err(ZERO), Ok(_)) | (Ok(_), Err(ZERO)) => return passed_trade(Kind::Zero, symbol, id),
        _ => {}
    }
    match checked(values, names) {
        Ok(trade) => Found::Trade { kind, symbol, trade },
        Err(Fault { field: name, problem }) => {
            Found::Refused { kind: Kind::BadTrade, id: known(id), why: field(name, problem) }
        }
    }
}

fn checked(values: [Scalar<'_>; 5], names: &Names) -> Result<Trade, Fault> {
    let [id, time, price, quantity, buyer_is_maker] = values;
    let at = |index: usize| move |problem| Fault { field: names[index], problem };
    let trade = Trade {
        id: id.whole().map_err(at(0))?,
        time_ms: time.whole().map(milliseconds).map_err(at(1))?,
        price: price.decimal().map_err(at(2))?,
        quantity: quantity.decimal().map_err(at(3))?,
        buyer_is_maker: buyer_is_maker.bool().map_err(at(4))?,
    };
    trade.check().map_err(|error| {
        let index = match error {
            TradeError::Id => 0,
            TradeError::Time => 1,
            TradeError::Notional => 2,
        };
        at(index)(error.into())
    })
}

/// A time in milliseconds, from milliseconds or microseconds: a value that would be beyond the year 9999 is in
/// microseconds. This is right for all microsecond times after January 1978.
const fn milliseconds(time: u64) -> u64 {
    if time > Trade::MAX_TIME_MS { time / 1000 } else { time }
}

const fn passed(kind: Kind) -> Found {
    Found::PassedOver { kind, trade: None }
}

fn passed_trade(kind: Kind, symbol: Symbol, id: Scalar<'_>) -> Found {
    Found::PassedOver { kind, trade: known(id).map(|id| (symbol, id)) }
}

fn known(id: Scalar<'_>) -> Option<u64> {
    id.whole().ok().filter(|id| *id <= Trade::MAX_ID)
}

const fn bad(why: FrameError) -> Found {
    Found::Refused { kind: Kind::BadTrade, id: None, why }
}
