//! Each kind of bad input has its own error, which names the place.

use std::io::Write;

use candle::binance;
use candle::{ArchiveObject, Batch, Candle, Field, Interval, Trade, fold, message};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::strategies::{btcusdt, symbols};

const FRAME: &str = concat!(
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"#,
    r#""p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#
);
const MESSAGE: &str = r#"{"v":1,"symbol":"BTCUSDT","trades":[[3735683259,1723161255342,"61837.63000000","0.02000000",1]]}"#;

fn trades() -> Vec<Trade> {
    message::decode(MESSAGE.as_bytes(), &symbols()).unwrap().trades
}

/// The errors of a text in which one part at a time is replaced.
fn errors(text: &str, edits: &[(&str, &str)], decode: impl Fn(&str) -> String) -> String {
    let lines = edits.iter().map(|(from, to)| {
        assert!(text.contains(from), "{from}");
        format!("{from} -> {to}: {}\n", decode(&text.replacen(from, to, 1)))
    });
    lines.collect()
}

#[test]
fn of_messages() {
    let decode = |text: &str| match message::decode(text.as_bytes(), &symbols()) {
        Ok(batch) => format!("{} trades", batch.trades.len()),
        Err(error) => error.to_string(),
    };
    let digits = "1234567890".repeat(4);
    let edits = [
        ("}", ""),
        ("}", "}}"),
        (r#"{"v":1"#, "nonsense"),
        ("3735683259", "NaN"),
        (r#"{"v":1,"#, "{"),
        (r#""v":1"#, r#""v":2"#),
        (r#""v":1"#, r#""v":"1""#),
        (r#""v":1"#, r#""v":1,"v":1"#),
        (r#""v":1"#, r#""v":1,"w":1"#),
        (r#""symbol":"BTCUSDT","#, ""),
        (r#""v":1"#, r#""symbol":"BTCUSDT","v":1"#),
        (r#""v":1"#, r#""trades":[[7,7,"7","7",1]],"v":1"#),
        ("BTCUSDT", "ETHUSDT"),
        ("BTCUSDT", "btcusdt"),
        (r#""BTCUSDT""#, "7"),
        (r#"[[3735683259,1723161255342,"61837.63000000","0.02000000",1]]"#, "[]"),
        (r#"[[3735683259,1723161255342,"61837.63000000","0.02000000",1]]"#, "{}"),
        (r#"[3735683259,1723161255342,"61837.63000000","0.02000000",1]"#, "7"),
        (",1]", "]"),
        (",1]", ",1,1]"),
        (",1]", ",2]"),
        (",1]", ",true]"),
        ("3735683259", "-1"),
        ("3735683259", "1.5"),
        ("3735683259", "null"),
        ("3735683259", "9223372036854775808"),
        ("3735683259", digits.as_str()),
        ("1723161255342", "253402300800000"),
        (r#""61837.63000000""#, "61837.63"),
        ("61837.63000000", "-1"),
        ("61837.63000000", "NaN"),
        ("61837.63000000", "1e3"),
        ("61837.63000000", "0"),
        ("61837.63000000", "0.000000001"),
        ("61837.63000000", digits.as_str()),
        ("0.02000000", "20000000"),
        (",1]]", r#",1],[3735683259,1723161255342,"61837.63","0.02",1]]"#),
        (",1]]", r#",1],[3735683259,1723161255342,"61837.63","0.02",0]]"#),
        (",1]]", r#",1],[7,1723161255342,"61837.63","",0]]"#),
    ];
    insta::assert_snapshot!(errors(MESSAGE, &edits, decode), @r##"
    } -> : not JSON, at byte 94
    } -> }}: not JSON, at byte 96
    {"v":1 -> nonsense: not JSON, at byte 1
    3735683259 -> NaN: not JSON, at byte 37
    {"v":1, -> {: v: missing
    "v":1 -> "v":2: version 2, where only 1 is known
    "v":1 -> "v":"1": v: not a whole number
    "v":1 -> "v":1,"v":1: message: not v, symbol and trades, each once
    "v":1 -> "v":1,"w":1: message: not v, symbol and trades, each once
    "symbol":"BTCUSDT", -> : symbol: missing
    "v":1 -> "symbol":"BTCUSDT","v":1: message: not v, symbol and trades, each once
    "v":1 -> "trades":[[7,7,"7","7",1]],"v":1: message: not v, symbol and trades, each once
    BTCUSDT -> ETHUSDT: unknown symbol ETHUSDT
    BTCUSDT -> btcusdt: symbol: a symbol with something other than A-Z and 0-9 at 0
    "BTCUSDT" -> 7: symbol: not a plain text
    [[3735683259,1723161255342,"61837.63000000","0.02000000",1]] -> []: no trades
    [[3735683259,1723161255342,"61837.63000000","0.02000000",1]] -> {}: trades: not a list
    [3735683259,1723161255342,"61837.63000000","0.02000000",1] -> 7: trades[0].row: not a list
    ,1] -> ]: trades[0].buyer_is_maker: missing
    ,1] -> ,1,1]: trades[0].row: not five values
    ,1] -> ,2]: trades[0].buyer_is_maker: not 0 or 1
    ,1] -> ,true]: trades[0].buyer_is_maker: not 0 or 1
    3735683259 -> -1: trades[0].id: negative
    3735683259 -> 1.5: trades[0].id: not a whole number of 64 bits
    3735683259 -> null: trades[0].id: not a whole number
    3735683259 -> 9223372036854775808: trades[0].id: above 9223372036854775807
    3735683259 -> 1234567890123456789012345678901234567890: trades[0].id: not a whole number of 64 bits
    1723161255342 -> 253402300800000: trades[0].time_ms: after the year 9999
    "61837.63000000" -> 61837.63: trades[0].price: not a plain text
    61837.63000000 -> -1: trades[0].price: not a plain decimal such as 61837.63
    61837.63000000 -> NaN: trades[0].price: not a plain decimal such as 61837.63
    61837.63000000 -> 1e3: trades[0].price: not a plain decimal such as 61837.63
    61837.63000000 -> 0: trades[0].price: zero
    61837.63000000 -> 0.000000001: trades[0].price: more than 8 decimals
    61837.63000000 -> 1234567890123456789012345678901234567890: trades[0].price: too large
    0.02000000 -> 20000000: trades[0].price: price times quantity is above 10^12
    ,1]] -> ,1],[3735683259,1723161255342,"61837.63","0.02",1]]: 2 trades
    ,1]] -> ,1],[3735683259,1723161255342,"61837.63","0.02",0]]: two different trades with id 3735683259
    ,1]] -> ,1],[7,1723161255342,"61837.63","",0]]: trades[1].quantity: not a plain decimal such as 61837.63
    "##);
    let many = Batch { symbol: btcusdt(), trades: vec![trades()[0]; message::MAX_TRADES + 1] };
    insta::assert_snapshot!(decode(&message::encode(&many)), @"more than 2500 trades");
    insta::assert_snapshot!(decode(&" ".repeat(message::MAX_BYTES + 1)), @"a message of 262145 bytes, above 262144");
    let padding = " ".repeat(message::MAX_BYTES - MESSAGE.len());
    insta::assert_snapshot!(decode(&format!("{MESSAGE}{padding}")), @"1 trades");
    insta::assert_snapshot!(decode("[]"), @"message: not an object");
    assert_eq!(message::decode(b"\xff", &symbols()), Err(message::MessageError::NotJson { at: 0 }));
}

#[test]
fn of_frames() {
    let decode = |text: &str| match binance::decode(text.as_bytes()) {
        Ok(frame) => format!("{frame:?}"),
        Err(error) => error.to_string(),
    };
    let edits = [
        ("}}", "}"),
        (r#""e":"trade","#, ""),
        (r#""e":"trade""#, r#""e":7"#),
        (r#""e":"trade""#, r#""e":"aggTrade""#),
        (r#""s":"BTCUSDT","#, ""),
        ("BTCUSDT", "BTC-USDT"),
        ("3735683259", r#""3735683259""#),
        ("3735683259", "-3"),
        (r#""61837.63000000""#, "null"),
        ("0.02000000", "two"),
        ("0.02000000", "0.00000000"),
        (r#""m":true"#, r#""m":1"#),
        (r#""m":true,"#, ""),
        (r#""m":true"#, r#""X":"NA","m":true"#),
        (r#""m":true"#, r#""X":"INSURANCE_FUND","m":true"#),
        (r#""T":1723161255342,"#, ""),
        ("1723161255342,", "1723161255342999,"),
        ("1723161255342,", "253402300799999,"),
        ("1723161255342,", "253402300799999999,"),
        ("1723161255342,", "253402300800000000,"),
        (r#""data":{"#, r#""datum":{"#),
    ];
    insta::assert_snapshot!(errors(FRAME, &edits, decode), @r##"
    }} -> }: not JSON, at byte 166
    "e":"trade", -> : e: missing
    "e":"trade" -> "e":7: e: not a plain text
    "e":"trade" -> "e":"aggTrade": PassedOver { kind: OtherEvent, trade: None }
    "s":"BTCUSDT", -> : s: missing
    BTCUSDT -> BTC-USDT: PassedOver { kind: ForeignSymbol, trade: None }
    3735683259 -> "3735683259": t: not a whole number
    3735683259 -> -3: t: negative
    "61837.63000000" -> null: p: not a plain text
    0.02000000 -> two: q: not a plain decimal such as 61837.63
    0.02000000 -> 0.00000000: PassedOver { kind: Zero, trade: Some((Symbol(BTCUSDT), 3735683259)) }
    "m":true -> "m":1: m: not true or false
    "m":true, -> : m: missing
    "m":true -> "X":"NA","m":true: PassedOver { kind: Placeholder, trade: Some((Symbol(BTCUSDT), 3735683259)) }
    "m":true -> "X":"INSURANCE_FUND","m":true: PassedOver { kind: OffBook, trade: Some((Symbol(BTCUSDT), 3735683259)) }
    "T":1723161255342, -> : T: missing
    1723161255342, -> 1723161255342999,: Trade { symbol: Symbol(BTCUSDT), trade: Trade { id: 3735683259, time_ms: 1723161255342, price: Price(6183763000000), quantity: Quantity(2000000), buyer_is_maker: true } }
    1723161255342, -> 253402300799999,: Trade { symbol: Symbol(BTCUSDT), trade: Trade { id: 3735683259, time_ms: 253402300799999, price: Price(6183763000000), quantity: Quantity(2000000), buyer_is_maker: true } }
    1723161255342, -> 253402300799999999,: Trade { symbol: Symbol(BTCUSDT), trade: Trade { id: 3735683259, time_ms: 253402300799999, price: Price(6183763000000), quantity: Quantity(2000000), buyer_is_maker: true } }
    1723161255342, -> 253402300800000000,: T: after the year 9999
    "data":{ -> "datum":{: e: missing
    "##);
    insta::assert_snapshot!(decode(r#"{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1"}}"#), @"PassedOver { kind: OtherEvent, trade: None }");
    insta::assert_snapshot!(decode(r#"{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker"}]}"#), @"PassedOver { kind: OtherEvent, trade: None }");
    insta::assert_snapshot!(decode(r#"{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"T":2}}"#), @"PassedOver { kind: OtherEvent, trade: None }");
    insta::assert_snapshot!(decode("[]"), @"PassedOver { kind: OtherEvent, trade: None }");
    insta::assert_snapshot!(decode("{}"), @"JSON, but no frame, row or answer of Binance's");
    insta::assert_snapshot!(decode("7"), @"frame: not an object");
    let padding = " ".repeat(binance::MAX_BYTES - FRAME.len());
    assert_eq!(decode(&format!("{FRAME}{padding}")), decode(FRAME));
    insta::assert_snapshot!(decode(&" ".repeat(binance::MAX_BYTES + 1)), @"a frame of 1048577 bytes, above 1048576");
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The content hash in an object's name.
fn hash(content: &[u8]) -> u64 {
    let digest = Sha256::digest(content);
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Decodes content under a name with the matching hash.
fn decode_archive(content: &str) -> String {
    let hash = hash(content.as_bytes());
    let name =
        format!("trades/v1/BTCUSDT/2024-08-08T23/3735683259-3735683259-{hash:016x}.jsonl.gz");
    match ArchiveObject::decode(&name, &gzip(content.as_bytes())) {
        Ok(object) => format!("{} trades", object.trades().len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn of_archive_content() {
    let object = ArchiveObject::split(&Batch { symbol: btcusdt(), trades: trades() }).remove(0);
    insta::assert_snapshot!(object.content(), @r##"
    {"v":1,"symbol":"BTCUSDT","hour":"2024-08-08T23","count":1}
    [3735683259,1723161255342,"61837.63000000","0.02000000",1]
    "##);
    insta::assert_snapshot!(object.name(), @"trades/v1/BTCUSDT/2024-08-08T23/3735683259-3735683259-8cc5ece84c0cbfa1.jsonl.gz");
    let row = object.content().lines().nth(1).unwrap().to_owned();
    let next = row.replace("3735683259", "3735683260");
    let edits = [
        ("[3735683259", "[3735683259"),
        ("[3735683259", "[ 3735683259"),
        ("[3735683259", "[-1"),
        ("[3735683259", "[3735683258"),
        ("61837.63000000", "61837.63"),
        ("1723161255342", "1723161600000"),
        ("\"v\":1", "\"v\":2"),
        ("BTCUSDT", "ETHUSDT"),
        ("T23", "T22"),
        ("\"count\":1", "\"count\":2"),
        (row.as_str(), ""),
        (row.as_str(), "x"),
        ("1]\n", "1]"),
        ("1]\n", "1]\n\n"),
        (row.as_str(), &[row.as_str(), row.as_str()].join("\n")),
        (row.as_str(), &[row.as_str(), next.as_str()].join("\n")),
    ];
    insta::assert_snapshot!(errors(object.content(), &edits, decode_archive), @r##"
    [3735683259 -> [3735683259: 1 trades
    [3735683259 -> [ 3735683259: line 2: not a row as it is written
    [3735683259 -> [-1: line 2, id: negative
    [3735683259 -> [3735683258: the ids are not those of the name
    61837.63000000 -> 61837.63: line 2: not a row as it is written
    1723161255342 -> 1723161600000: line 2: a trade of another hour
    "v":1 -> "v":2: the first line does not fit the name and the rows
    BTCUSDT -> ETHUSDT: the first line does not fit the name and the rows
    T23 -> T22: the first line does not fit the name and the rows
    "count":1 -> "count":2: the first line does not fit the name and the rows
    [3735683259,1723161255342,"61837.63000000","0.02000000",1] -> : line 2: not a row as it is written
    [3735683259,1723161255342,"61837.63000000","0.02000000",1] -> x: line 2: not a row as it is written
    1]
     -> 1]: line 2: not a row as it is written
    1]
     -> 1]
    
    : line 3: not a row as it is written
    [3735683259,1723161255342,"61837.63000000","0.02000000",1] -> [3735683259,1723161255342,"61837.63000000","0.02000000",1]
    [3735683259,1723161255342,"61837.63000000","0.02000000",1]: line 3: the id is not above the one before
    [3735683259,1723161255342,"61837.63000000","0.02000000",1] -> [3735683259,1723161255342,"61837.63000000","0.02000000",1]
    [3735683260,1723161255342,"61837.63000000","0.02000000",1]: the ids are not those of the name
    "##);
    insta::assert_snapshot!(decode_archive(""), @"the first line does not fit the name and the rows");
    insta::assert_snapshot!(decode_archive(&format!("header\n{}", format!("{row}\n").repeat(2))), @"line 3: the id is not above the one before");
}

#[test]
fn of_archive_bytes() {
    let object = ArchiveObject::split(&Batch { symbol: btcusdt(), trades: trades() }).remove(0);
    let (name, bytes) = (object.name().to_string(), object.encode());
    let error =
        |name: &str, bytes: &[u8]| ArchiveObject::decode(name, bytes).unwrap_err().to_string();
    insta::assert_snapshot!(error("x", &bytes), @"not the name of an archive object: its beginning is wrong");
    insta::assert_snapshot!(error(&name, &[]), @"not one gzip stream");
    insta::assert_snapshot!(error(&name, &bytes[..bytes.len() - 1]), @"not one gzip stream");
    insta::assert_snapshot!(error(&name, &[bytes.as_slice(), &[0]].concat()), @"not one gzip stream");
    insta::assert_snapshot!(error(&name, &bytes.repeat(2)), @"not one gzip stream");
    insta::assert_snapshot!(error(&name, &gzip(b"other")), @"the content has hash d9298a10d1b07358, unlike the name");
    insta::assert_snapshot!(error(&name, &gzip(b"\xff")), @"the content is not text");
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    insta::assert_snapshot!(error(&name, &bomb), @"above 1048576 bytes");
    insta::assert_snapshot!(error(&name, &vec![0; 1024 * 1024 + 1]), @"above 1048576 bytes");
    // The greatest size is accepted, and the content is checked.
    insta::assert_snapshot!(error(&name, &vec![0; 1024 * 1024]), @"not one gzip stream");
    insta::assert_snapshot!(error(&name, &gzip(&vec![b'x'; 1024 * 1024 + 1])), @"above 1048576 bytes");
    let most = vec![b'x'; 1024 * 1024];
    let unlike = format!("the content has hash {:016x}, unlike the name", hash(&most));
    assert_eq!(error(&name, &gzip(&most)), unlike);
}

/// Returns the error of reading a candle's record with these fields replaced, or `a candle` without an error.
fn record_error(candle: &Candle, edits: &[(&str, Field)]) -> String {
    let fields = candle.to_fields();
    let edited = |name: &str| edits.iter().find(|edit| edit.0 == name).map(|edit| edit.1.clone());
    let stored = |name: &str| fields.iter().find(|field| field.0 == name).map(|f| f.1.clone());
    match Candle::from_fields(|name| edited(name).or_else(|| stored(name))) {
        Ok(_) => "a candle".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Consistency rules of records with one, two and three trades.
#[test]
fn of_records_of_one_two_and_three_trades() {
    let first = trades()[0];
    let next = |number: u64, price: &str| Trade {
        id: first.id + number,
        time_ms: first.time_ms + number,
        price: price.parse().unwrap(),
        ..first
    };
    let all = [first, next(1, "61840"), next(2, "61839")];
    let candle = |count: usize| {
        fold(&btcusdt(), &all[..count], &[Interval::M1]).into_values().next().unwrap()
    };
    let text = |text: &str| Field::Text(text.to_owned());
    let whole = |value: u64| Field::Integer(i64::try_from(value).unwrap());
    let one = |edits: &[(&str, Field)]| record_error(&candle(1), edits);
    let two = |edits: &[(&str, Field)]| record_error(&candle(2), edits);
    let three = |edits: &[(&str, Field)]| record_error(&candle(3), edits);
    assert_eq!([one(&[]), two(&[]), three(&[])], ["a candle", "a candle", "a candle"]);

    let other_close = [("close", text("61840")), ("high", text("61840"))];
    insta::assert_snapshot!(one(&other_close), @"close: not the open, though there is one trade");
    let later = [("close_trade_time_ms", whole(first.time_ms + 1))];
    insta::assert_snapshot!(one(&later), @"close_trade_id: not apart from the open, unless there is one trade");
    let same = [("close_trade_time_ms", whole(first.time_ms)), ("close_trade_id", whole(first.id))];
    insta::assert_snapshot!(three(&same), @"close_trade_id: not apart from the open, unless there is one trade");
    for (field, price) in [("high", "61841"), ("low", "61837")] {
        let edit = [(field, text(price))];
        assert_eq!(one(&edit), "high: not that of one of the trades", "{field}");
        assert_eq!(two(&edit), "high: not that of one of the trades", "{field}");
        assert_eq!(three(&edit), "a candle", "{field}: the third trade may have it");
    }
    // The maximum of 10^12, and ten times the maximum.
    for (quantity, quote, told) in [
        ("10", "1000000000000", "a candle"),
        ("100", "10000000000000", "quote_volume: not within the limit of its trades"),
    ] {
        let price = text("100000000000");
        let mut edits = ["open", "high", "low", "close"].map(|name| (name, price.clone())).to_vec();
        edits.extend([("volume", text(quantity)), ("quote_volume", text(quote))]);
        edits.push(("taker_buy_volume", text("0")));
        assert_eq!(one(&edits), told);
    }
}

#[test]
fn of_records() {
    let trade = trades()[0];
    let later = Trade {
        id: trade.id + 1,
        time_ms: trade.time_ms + 1,
        price: "61840".parse().unwrap(),
        ..trade
    };
    let last =
        Trade { id: trade.id + 2, time_ms: trade.time_ms + 2, buyer_is_maker: false, ..later };
    let candle =
        fold(&btcusdt(), &[trade, later, last], &[Interval::M1]).into_values().next().unwrap();
    insta::assert_snapshot!(candle.canonical(), @r##"{"candle":"BTCUSDT/1m/1723161240000","open":"61837.63000000","open_at":[1723161255342,3735683259],"high":"61840.00000000","low":"61837.63000000","close":"61840.00000000","close_at":[1723161255344,3735683261],"volume":"0.06000000","quote_volume":"3710.3526000000000000","taker_buy_volume":"0.02000000","trades":3,"ids":[[3735683259,3735683261]]}"##);
    let text = |text: &str| Some(Field::Text(text.to_owned()));
    let edits = [
        ("v", Some(Field::Integer(2))),
        ("v", Some(Field::Integer(3))),
        ("v", text("1")),
        ("symbol", None),
        ("symbol", text("btcusdt")),
        ("interval", text("2m")),
        ("open_time_ms", Some(Field::Integer(-60_000))),
        ("open_time_ms", Some(Field::Integer(1_723_161_240_001))),
        ("open_time_ms", Some(Field::Integer(1_723_161_180_000))),
        ("open", text("61840.00000001")),
        ("open_trade_time_ms", Some(Field::Integer(1_723_161_299_999))),
        ("open_trade_time_ms", Some(Field::Integer(1_723_161_300_000))),
        ("open_trade_id", Some(Field::Integer(1))),
        ("high", text("1")),
        ("low", text("NaN")),
        ("low", text("61841")),
        ("close", text("1")),
        ("close_trade_time_ms", Some(Field::Integer(0))),
        ("close_trade_id", Some(Field::Integer(i64::MAX))),
        ("volume", text("0")),
        ("volume", text("1")),
        ("quote_volume", text("0")),
        ("taker_buy_volume", text("1")),
        ("trades", Some(Field::Integer(4))),
        ("first_trade_id", Some(Field::Integer(1))),
        ("last_trade_id", Some(Field::Integer(1))),
        ("ids", text("1-3")),
        ("ids", Some(Field::Bytes(vec![0x80]))),
        ("ids", Some(Field::Bytes(Vec::new()))),
        (
            "ids",
            Some(Field::Bytes(vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0])),
        ),
    ];
    let fields = candle.to_fields();
    let stored =
        |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
    let lines = edits.iter().map(|(name, value)| {
        let get = |asked: &str| if asked == *name { value.clone() } else { stored(asked) };
        format!("{name} = {value:?}: {}\n", Candle::from_fields(get).unwrap_err())
    });
    insta::assert_snapshot!(lines.collect::<String>(), @r##"
    v = Some(Integer(2)): ids: entry 0 of the list of pieces is not a window behind those before it and a digest
    v = Some(Integer(3)): version 3, where only 1 and 2 are known
    v = Some(Text("1")): v: not an integer
    symbol = None: symbol: missing
    symbol = Some(Text("btcusdt")): symbol: a symbol with something other than A-Z and 0-9 at 0
    interval = Some(Text("2m")): interval: not an interval: 1m, 5m, 15m, 1h or 1d
    open_time_ms = Some(Integer(-60000)): open_time_ms: negative
    open_time_ms = Some(Integer(1723161240001)): open_time_ms: not a multiple of the interval
    open_time_ms = Some(Integer(1723161180000)): open_trade_time_ms: not within the window
    open = Some(Text("61840.00000001")): open: not between low and high
    open_trade_time_ms = Some(Integer(1723161299999)): close_trade_time_ms: not at or after the open
    open_trade_time_ms = Some(Integer(1723161300000)): open_trade_time_ms: not within the window
    open_trade_id = Some(Integer(1)): open_trade_id: not one of the ids
    high = Some(Text("1")): low: not at or below the high
    low = Some(Text("NaN")): low: not a plain decimal such as 61837.63
    low = Some(Text("61841")): low: not at or below the high
    close = Some(Text("1")): close: not between low and high
    close_trade_time_ms = Some(Integer(0)): close_trade_time_ms: not within the window
    close_trade_id = Some(Integer(9223372036854775807)): close_trade_id: not one of the ids
    volume = Some(Text("0")): volume: not the sum of as many quantities
    volume = Some(Text("1")): quote_volume: not volume times a price between low and high
    quote_volume = Some(Text("0")): quote_volume: not volume times a price between low and high
    taker_buy_volume = Some(Text("1")): taker_buy_volume: not at most the volume
    trades = Some(Integer(4)): trades: not the number of ids
    first_trade_id = Some(Integer(1)): first_trade_id: not the least of the ids
    last_trade_id = Some(Integer(1)): last_trade_id: not the greatest of the ids
    ids = Some(Text("1-3")): ids: not bytes
    ids = Some(Bytes([128])): ids: range 0 of the ids is not two whole numbers in their shortest form
    ids = Some(Bytes([])): ids: not one id or more, none above the limit
    ids = Some(Bytes([255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0])): ids: not one id or more, none above the limit
    "##);
}
