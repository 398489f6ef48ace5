//! A stored candle whose fields were tampered with is refused, or is a candle that is stored and
//! read again as it is.

#![no_main]

use arbitrary::Arbitrary;
use candle::{Candle, Field, Interval, Price, Quantity, Symbol, Trade, fold};
use libfuzzer_sys::fuzz_target;

/// A trade within one minute.
#[derive(Debug, Arbitrary)]
struct Deal {
    id: u8,
    time_ms: u16,
    price: u32,
    quantity: u32,
    buyer_is_maker: bool,
}

/// What becomes of a field.
#[derive(Debug, Arbitrary)]
enum Change {
    Gone,
    Text(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Shifted(i8),
}

fuzz_target!(|input: (Vec<Deal>, Vec<(u8, Change)>)| {
    let (deals, changes) = input;
    let trades: Vec<Trade> = deals.iter().filter_map(trade).collect();
    let Ok(symbol) = Symbol::parse("BTCUSDT") else { return };
    let Some(candle) = fold(&symbol, &trades, &[Interval::M5]).into_values().next() else { return };
    let mut fields = candle.to_fields();
    assert_eq!(read(&fields), Some(candle));

    for (at, change) in changes {
        let at = usize::from(at) % fields.len().max(1);
        match (change, fields.get_mut(at)) {
            (Change::Gone, Some(_)) => drop(fields.remove(at)),
            (Change::Text(text), Some(field)) => field.1 = Field::Text(text),
            (Change::Integer(integer), Some(field)) => field.1 = Field::Integer(integer),
            (Change::Bytes(bytes), Some(field)) => field.1 = Field::Bytes(bytes),
            (Change::Shifted(by), Some((_, Field::Integer(integer)))) => {
                *integer = integer.wrapping_add(by.into())
            }
            _ => {}
        }
    }
    if let Some(candle) = read(&fields) {
        assert_eq!(read(&candle.to_fields()), Some(candle));
    }
});

fn trade(deal: &Deal) -> Option<Trade> {
    let trade = Trade {
        id: deal.id.into(),
        time_ms: deal.time_ms.into(),
        price: Price::from_units(deal.price.into()).ok()?,
        quantity: Quantity::from_units(deal.quantity.into()).ok()?,
        buyer_is_maker: deal.buyer_is_maker,
    };
    trade.check().ok()
}

fn read(fields: &[(&str, Field)]) -> Option<Candle> {
    Candle::from_fields(|name| Some(fields.iter().find(|field| field.0 == name)?.1.clone())).ok()
}
