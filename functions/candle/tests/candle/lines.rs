//! Each kind of line of a recording is recognised.

use std::fmt::Write as _;

use candle::Trade;
use candle::binance::{FileSymbol, Found, Kind, Lines, RestRow, encode_combined, rest_rows};

use crate::strategies::btcusdt;

/// The trade in all lines below.
fn trade() -> Trade {
    Trade {
        id: 7,
        time_ms: 1_723_161_255_342,
        price: "61837.63".parse().unwrap(),
        quantity: "0.02".parse().unwrap(),
        buyer_is_maker: true,
    }
}

fn known() -> FileSymbol {
    FileSymbol::Known(btcusdt())
}

fn all(lines: &mut Lines, line: &[u8], is_whole: bool) -> Vec<Found> {
    let mut found = Vec::new();
    lines.read(line, is_whole, &mut |one| found.push(one));
    found
}

fn kinds(lines: &mut Lines, line: &str, is_whole: bool) -> Vec<Kind> {
    let found = all(lines, line.as_bytes(), is_whole);
    let kind = |found: &Found| match found {
        Found::Trade { kind, symbol, trade: found } => {
            assert_eq!((symbol, found), (&btcusdt(), &trade()), "{line}");
            *kind
        }
        Found::PassedOver { kind, .. } | Found::Refused { kind, .. } => *kind,
    };
    found.iter().map(kind).collect()
}

const RAW: &str = r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":7,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#;
const ROW: &str = r#"{"id":7,"price":"61837.63000000","qty":"0.02000000","quoteQty":"1236.75","time":1723161255342,"isBuyerMaker":true,"isBestMatch":true}"#;
const CSV: &str = "7,61837.63000000,0.02000000,1236.75260000,1723161255342,True,True";

#[test]
fn each_line_is_what_it_is() {
    use Kind::{
        Answer, BadTrade, Blank, CsvRow, ErrorAnswer, ForeignSymbol, Garbage, Header, OffBook,
        OtherEvent, OtherRow, Placeholder, Request, RestRow, Trade, Unknown, Zero,
    };
    let micros = |text: &str| text.replace("1723161255342", "1723161255342999");
    let cases: Vec<(String, &[Kind])> = vec![
        (RAW.to_owned(), &[Trade]),
        (format!("\u{feff}{RAW}"), &[Trade]),
        (format!("  {RAW}\t\r"), &[Trade]),
        (format!("{RAW},"), &[Trade]),
        (encode_combined(&btcusdt(), &trade(), 1), &[Trade]),
        (micros(RAW), &[Trade]),
        (RAW.replace(r#""m""#, r#""X":"MARKET","m""#), &[Trade]),
        (format!("1723161255342123456 {RAW}"), &[Trade]),
        (format!("2024-08-08T23:54:15.342Z {RAW}"), &[Trade]),
        (format!("[{RAW},{RAW}]"), &[Trade, Trade]),
        (ROW.to_owned(), &[RestRow]),
        (micros(ROW), &[RestRow]),
        (ROW.replace(r#""id""#, r#""symbol":"BTCUSDT","id""#), &[RestRow]),
        (ROW.replace(r#""id""#, r#""symbol":"BTC_PERP","id""#), &[ForeignSymbol]),
        (format!("[{ROW},{}]", ROW.replace("0.02000000", "0.000")), &[RestRow, Zero]),
        (CSV.to_owned(), &[CsvRow]),
        (micros(CSV), &[CsvRow]),
        ("7,61837.63,0.02,1236.7526,1723161255342,true".to_owned(), &[CsvRow]),
        (r#""7","61837.63","0.02","1236.7526","1723161255342","true""#.to_owned(), &[CsvRow]),
        (String::new(), &[Blank]),
        (" \r".to_owned(), &[Blank]),
        ("\u{feff}".to_owned(), &[Blank]),
        ("[".to_owned(), &[Blank]),
        ("id,price,qty,quote_qty,time,is_buyer_maker".to_owned(), &[Header]),
        ("\u{feff}id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch".to_owned(), &[Header]),
        (r#"{"result":null,"id":1}"#.to_owned(), &[Answer]),
        (r#"{"result":["btcusdt@trade"],"error":null,"id":1}"#.to_owned(), &[Answer]),
        ("[]".to_owned(), &[Answer]),
        (
            r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#.to_owned(),
            &[Request],
        ),
        (r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#.to_owned(), &[ErrorAnswer]),
        (r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned(), &[ErrorAnswer]),
        (r#"{"id":"a","status":400,"error":{"code":-1,"msg":""}}"#.to_owned(), &[ErrorAnswer]),
        (
            r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true}"#.to_owned(),
            &[OtherEvent],
        ),
        (r#"{"a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true,"M":true}"#.to_owned(), &[OtherEvent]),
        (
            r#"{"u":400900217,"s":"BNBUSDT","b":"25.3","B":"31","a":"25.4","A":"40"}"#.to_owned(),
            &[OtherEvent],
        ),
        (r#"{"stream":"bnbusdt@bookTicker","data":{"u":4,"s":"BNBUSDT"}}"#.to_owned(), &[OtherEvent]),
        (r#"{"lastUpdateId":160,"bids":[["0.1","1"]],"asks":[]}"#.to_owned(), &[OtherEvent]),
        (r#"{"e":"depthUpdate","s":"BTCUSDT","b":[],"a":[]}"#.to_owned(), &[OtherEvent]),
        (r#"[{"e":"24hrMiniTicker"},{"e":"24hrMiniTicker"}]"#.to_owned(), &[OtherEvent, OtherEvent]),
        (r#"{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker"}]}"#.to_owned(), &[OtherEvent]),
        // `aggTrades` of spot and of futures, `klines`, `bookTicker`.
        ("1,61837.6,0.02,7,7,1723161255342,True,True".to_owned(), &[OtherRow]),
        ("1,61837.6,0.02,7,7,1723161255342,true".to_owned(), &[OtherRow]),
        ("1,2,3,4,5.5,1e-5,7,8,9,10,11,0".to_owned(), &[OtherRow]),
        ("1,2.5,3,4.5,5,1723161255342,1723161255342".to_owned(), &[OtherRow]),
        (
            r#"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":101,"p":"0","q":"0","X":"NA","m":true}"#.to_owned(),
            &[Placeholder],
        ),
        (RAW.replace("61837.63000000", "0").replace("0.02000000", "0"), &[Placeholder]),
        (RAW.replace(r#""m""#, r#""X":"NA","m""#), &[Placeholder]),
        (RAW.replace(r#""m""#, r#""X":"ADL","m""#), &[OffBook]),
        (RAW.replace("0.02000000", "0.00000000"), &[Zero]),
        (CSV.replace("0.02000000", "0.00000000"), &[Zero]),
        (ROW.replace("61837.63000000", "0"), &[Zero]),
        (RAW.replace("BTCUSDT", "币安人生USDT"), &[ForeignSymbol]),
        (RAW.replace("BTCUSDT", r"\u5e01\u5b89USDT"), &[ForeignSymbol]),
        (RAW.replace("BTCUSDT", "BTCUSDT_250926"), &[ForeignSymbol]),
        (RAW.replace("BTCUSDT", "ABCDEFGHIJKLMNOPQRSTU"), &[ForeignSymbol]),
        (RAW.replace("BTCUSDT", ""), &[BadTrade]),
        (RAW.replace(r#""e":"trade","#, ""), &[BadTrade]),
        (RAW.replace(r#""t":7"#, r#""t":-7"#), &[BadTrade]),
        (RAW.replace("1723161255342", "1723161255342999999"), &[BadTrade]),
        (ROW.replace(r#""id":7"#, r#""id":9223372036854775808"#), &[BadTrade]),
        (CSV.replace("61837.63000000", "much"), &[BadTrade]),
        (CSV.replace("1723161255342", "soon"), &[BadTrade]),
        (CSV.replace("True,True", "maybe,True"), &[BadTrade]),
        (r#"{"hello":"world"}"#.to_owned(), &[Unknown]),
        ("{}".to_owned(), &[Unknown]),
        ("[[1,2],[3,4]]".to_owned(), &[Unknown]),
        (format!("[7,{RAW}]"), &[Trade, Unknown]),
        ("garbage".to_owned(), &[Garbage]),
        ("7".to_owned(), &[Garbage]),
        ("7,61837.63,0.02".to_owned(), &[Garbage]),
        ("a,b".to_owned(), &[Garbage]),
        ("null".to_owned(), &[Garbage]),
        (RAW[..40].to_owned(), &[Garbage]),
        (format!("{RAW}{RAW}"), &[Garbage]),
        ("\0\0\0".to_owned(), &[Garbage]),
    ];
    for (line, expected) in cases {
        assert_eq!(kinds(&mut Lines::new(known()), &line, true), expected, "{line}");
    }
    let long = RAW.replace("BTCUSDT", &"B".repeat(1 << 20));
    assert_eq!(kinds(&mut Lines::new(known()), &long, true), [Kind::TooLong]);
    assert_eq!(all(&mut Lines::new(known()), b"\xff\xfe", true).len(), 1, "no text");
}

/// An object with only one of the keys that identify a kind of event is an unknown event.
#[test]
fn a_part_of_what_tells_a_kind_does_not_tell_it() {
    for line in [
        r#"{"code":-1}"#,
        r#"{"msg":"any"}"#,
        r#"{"id":7,"price":"1"}"#,
        r#"{"id":7,"qty":"1"}"#,
        r#"{"u":1}"#,
        r#"{"b":"1"}"#,
        r#"{"a":"1"}"#,
        r#"{"f":1}"#,
        r#"{"l":1}"#,
        r#"{"u":1,"b":"1"}"#,
        r#"{"u":1,"a":"1"}"#,
        r#"{"b":"1","a":"1"}"#,
        r#"{"a":1,"f":1}"#,
        r#"{"a":1,"l":1}"#,
        r#"{"f":1,"l":1}"#,
    ] {
        assert_eq!(kinds(&mut Lines::new(known()), line, true), [Kind::Unknown], "{line}");
    }
    assert_eq!(
        kinds(&mut Lines::new(known()), &format!("hello {RAW}"), true),
        [Kind::Garbage],
        "no time stands before it"
    );
}

/// The keys `stream` and `data` are read from the outermost object only.
#[test]
fn only_the_outer_object_has_a_stream_and_data() {
    let combined = encode_combined(&btcusdt(), &trade(), 1);
    let inner = combined.replace(r#","M":true"#, r#","M":true,"data":{"t":8}"#);
    assert_eq!(kinds(&mut Lines::new(known()), &inner, true), [Kind::Trade]);
    let two = r#"{"stream":"btcusdt@trade","data":{"stream":"btcusdt@bookTicker"}}"#;
    assert_eq!(kinds(&mut Lines::new(known()), two, true), [Kind::BadTrade]);
}

#[test]
fn a_last_row_that_is_wrong_before_its_end_is_not_one_that_breaks_off() {
    let six = CSV.strip_suffix(",True").unwrap();
    for line in [
        CSV.replace("61837.63000000", "much"),
        six.replace("61837.63000000", "much"),
        six.replace("True", "x"),
    ] {
        assert_eq!(kinds(&mut Lines::new(known()), &line, false), [Kind::BadTrade], "{line}");
    }
}

#[test]
fn a_time_of_a_row_is_digits() {
    for (time, why) in [
        ("", "time: missing"),
        ("+5", "time: not a whole number of 64 bits"),
        ("-5", "time: not a whole number of 64 bits"),
        ("18446744073709551616", "time: not a whole number of 64 bits"),
    ] {
        let line = CSV.replace("1723161255342", time);
        match &all(&mut Lines::new(known()), line.as_bytes(), true)[..] {
            [Found::Refused { why: found, .. }] => assert_eq!(found.to_string(), why, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// A column of another table is a number, which has a digit and no other letter than that of its exponent, or a flag.
#[test]
fn a_row_of_another_table_has_numbers_and_flags_only() {
    for (column, kind) in [
        ("-1.5E+3", Kind::OtherRow),
        ("FALSE", Kind::OtherRow),
        ("5a", Kind::Garbage),
        ("-", Kind::Garbage),
        ("e", Kind::Garbage),
    ] {
        let line = format!("1,2,3,4,{column},6,7,8");
        assert_eq!(kinds(&mut Lines::new(known()), &line, true), [kind], "{line}");
    }
}

#[test]
fn a_header_is_made_of_words() {
    let header = "time,id,is_buyer_maker,price,qty,quote_qty";
    for (word, kind) in [
        ("quote qty", Kind::Header),
        ("2nd", Kind::Garbage),
        ("quote-qty", Kind::Garbage),
        ("", Kind::Garbage),
    ] {
        let line = header.replace("quote_qty", word);
        assert_eq!(kinds(&mut Lines::new(known()), &line, true), [kind], "{line}");
    }
    let five = header.strip_suffix(",quote_qty").unwrap();
    assert_eq!(kinds(&mut Lines::new(known()), five, true), [Kind::Garbage], "too few columns");
}

#[test]
fn a_strict_run_accepts_neither_what_is_refused_nor_what_is_cut_short() {
    let bad: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.is_bad()).collect();
    assert_eq!(
        bad,
        [
            Kind::CutShort,
            Kind::BadTrade,
            Kind::NoSymbol,
            Kind::Conflict,
            Kind::Unknown,
            Kind::Garbage,
            Kind::TooLong
        ]
    );
}

#[test]
fn a_last_line_that_breaks_off_is_cut_short_wherever_that_is() {
    let cut = |line: &[u8]| {
        all(&mut Lines::new(known()), line, false)
            .iter()
            .any(|one| matches!(one, Found::PassedOver { kind: Kind::CutShort, .. }))
    };
    for line in [RAW, ROW, &encode_combined(&btcusdt(), &trade(), 1), &format!("[{ROW},{ROW}]")] {
        for end in 2..line.len() {
            assert!(cut(&line.as_bytes()[..end]), "{}", &line[..end]);
        }
        assert!(!cut(line.as_bytes()), "{line}");
    }
    let csv = "7,61837.63000000,0.02000000,1236.75260000,1723161255342,Tru";
    for end in 1..=csv.len() {
        assert!(cut(&csv.as_bytes()[..end]), "{}", &csv[..end]);
    }
    for end in csv.len() + 1..=CSV.len() {
        assert_eq!(kinds(&mut Lines::new(known()), &CSV[..end], false), [Kind::CsvRow], "complete");
    }
    let foreign = RAW.replace("BTCUSDT", "币");
    let middle = foreign.find('币').unwrap() + 1;
    assert!(cut(&foreign.as_bytes()[..middle]), "within a character");
    assert!(cut(b"\0\0\0"), "where power failed");
    // An error before the end of the line is one, cut off or not.
    assert_eq!(kinds(&mut Lines::new(known()), "garbage", false), [Kind::Garbage]);
    assert_eq!(kinds(&mut Lines::new(known()), r#"{"e":"trade" "s""#, false), [Kind::Garbage]);
}

#[test]
fn rows_are_of_the_symbol_of_the_file() {
    let eth = "ETHUSDT".parse().unwrap();
    let find = FileSymbol::find;
    assert_eq!(find("BTCUSDT-trades-2024-08-08.zip", &[]), known());
    assert_eq!(find("btcusdt-Trades-2024-08-08 (1).csv.gz", &[]), known());
    assert_eq!(find("BTCUSDT-trades-2024-08-08.csv", std::slice::from_ref(&eth)), known());
    assert_eq!(find("BTCUSD_PERP-trades-2024-08-08.csv", &[btcusdt()]), FileSymbol::Foreign);
    assert_eq!(find("币安人生USDT-trades-2025-10-01.csv", &[btcusdt()]), FileSymbol::Foreign);
    assert_eq!(find("mine.csv", &[btcusdt()]), known());
    assert_eq!(find("mine.csv", &[btcusdt(), eth]), FileSymbol::Unknown);
    for name in ["mine.csv", "BTCUSDT-aggTrades-2024-08-08.csv", "-trades-2024.csv", "", "a-币"] {
        assert_eq!(find(name, &[]), FileSymbol::Unknown, "{name}");
    }
    for row in [CSV, ROW] {
        assert_eq!(kinds(&mut Lines::new(FileSymbol::Foreign), row, true), [Kind::ForeignSymbol]);
        assert_eq!(kinds(&mut Lines::new(FileSymbol::Unknown), row, true), [Kind::NoSymbol]);
    }
}

#[test]
fn a_header_says_where_columns_are() {
    let mut lines = Lines::new(known());
    let header = "time,id,is_buyer_maker,price,qty,quote_qty";
    assert_eq!(kinds(&mut lines, header, true), [Kind::Header]);
    let row = "1723161255342,7,true,61837.63,0.02,1236.7526";
    assert_eq!(kinds(&mut lines, row, true), [Kind::CsvRow]);
    // One of another table counts at the start only, and changes nothing for rows that are trades.
    let mut lines = Lines::new(known());
    let other =
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker";
    assert_eq!(kinds(&mut lines, other, true), [Kind::Header]);
    assert_eq!(kinds(&mut lines, CSV, true), [Kind::CsvRow]);
    assert_eq!(kinds(&mut lines, other, true), [Kind::Garbage]);
}

#[test]
fn a_row_of_a_rest_answer_costs_no_other() {
    let odd = ROW.replace("61837.63000000", "1e3");
    let zero = ROW.replace("0.02000000", "0.00000000");
    let other = ROW.replace(r#""id""#, r#""symbol":"ETHUSDT","id""#);
    let micros = ROW.replace("1723161255342", "1723161255342123");
    let answer = format!("[{ROW},{odd},{zero},{other},{{}},7,{RAW},{micros}]");
    let rows = rest_rows(&btcusdt(), answer.as_bytes()).unwrap();
    let told = rows.iter().map(|row| match row {
        RestRow::Trade(found) if *found == trade() => "trade".to_owned(),
        RestRow::Trade(found) => format!("{found:?}"),
        RestRow::PassedOver { kind, id } => format!("{kind} {id:?}"),
        RestRow::Refused { id, why } => format!("{id:?} {why}"),
    });
    let unknown = "None JSON, but no frame, row or answer of Binance's";
    let expected = [
        "trade",
        "Some(7) price: not a plain decimal such as 61837.63",
        "zero Some(7)",
        unknown,
        unknown,
        unknown,
        unknown,
        "trade",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    for wrong in [r#"{"code":-1121,"msg":"Invalid symbol."}"#, "[", "", "7"] {
        assert!(rest_rows(&btcusdt(), wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(rest_rows(&btcusdt(), b"[]"), Ok(vec![]));
}

/// The page lists each kind, and no other.
#[test]
fn the_docs_list_every_kind() {
    let mut table = "| kind | what it is | what becomes of it |\n|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let _ = writeln!(table, "| `{kind}` | {} | {} |", kind.about(), kind.outcome().as_str());
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
    let page = include_str!("../../../../docs/recordings.md");
    let listed = page.split("<!-- kinds -->\n").nth(1).expect("the table stands between marks");
    assert_eq!(listed, table);
}
