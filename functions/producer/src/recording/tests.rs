use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::Generator;

struct File {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, content: &[u8]) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    File { dir, path }
}

fn frames(count: u64) -> (Vec<Recorded>, String) {
    let trades = Generator::new("BTCUSDT".parse().unwrap(), count, 1);
    let recorded: Vec<_> =
        trades.map(|trade| Recorded { frame: Generator::frame(&trade), trade }).collect();
    let text = recorded.iter().map(|recorded| recorded.frame.clone() + "\n").collect();
    (recorded, text)
}

/// The trades as rows of a file of data.binance.vision.
fn rows(trades: &[Recorded], is_micros: bool) -> String {
    let row = |recorded: &Recorded| {
        let Trade { id, time_ms, price, quantity, buyer_is_maker } = recorded.trade.trade;
        let time = if is_micros { time_ms * 1000 + 999 } else { time_ms };
        let maker = if buyer_is_maker { "True" } else { "False" };
        format!("{id},{price},{quantity},1.0,{time},{maker},True\r\n")
    };
    trades.iter().map(row).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    zip.add_directory("a folder/", options).unwrap();
    for (name, content) in members {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn all(file: &File, wanted: Wanted) -> (Vec<SourceTrade>, Counts, Option<String>) {
    let mut recording = match Recording::open(&file.path) {
        Ok(recording) => recording.wanting(wanted),
        Err(error) => return (Vec::new(), Counts::default(), Some(error.to_string())),
    };
    let mut trades = Vec::new();
    let mut error = None;
    for read in &mut recording {
        match read {
            Ok(recorded) => trades.push(recorded.trade),
            Err(failed) => error = Some(failed.to_string()),
        }
    }
    let counts = recording.lock().clone();
    (trades, counts, error)
}

fn only(trades: &[Recorded]) -> Vec<SourceTrade> {
    trades.iter().map(|recorded| recorded.trade.clone()).collect()
}

fn names(symbols: &[&str]) -> Vec<Symbol> {
    symbols.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn however_it_is_packed_and_written_it_has_the_same_trades() {
    let (trades, text) = frames(50);
    let (first, second) = (rows(&trades[..20], true), rows(&trades[20..], false));
    let header = "\u{feff}id,price,qty,quote_qty,time,is_buyer_maker\n";
    let futures: String = rows(&trades, false).replace(",True\r\n", "\n").to_lowercase();
    let (deflate, store) = (CompressionMethod::Deflated, CompressionMethod::Stored);
    let csv = "BTCUSDT-trades-2024-08-08.csv";
    let parts = [("a folder/BTCUSDT-trades-1.csv", first.as_bytes()), ("2", second.as_bytes())];
    let plain = first.clone() + &second;
    for (name, content) in [
        ("a", text.clone().into_bytes()),
        ("a.zip", gzip(text.as_bytes())),
        ("a.gz", [gzip(&text.as_bytes()[..999]), gzip(&text.as_bytes()[999..])].concat()),
        ("a.csv", zip(&[("frames", text.as_bytes())], deflate)),
        (csv, plain.clone().into_bytes()),
        (csv, (header.to_owned() + &futures).into_bytes()),
        (csv, gzip(plain.as_bytes())),
        ("any", zip(&[(csv, plain.as_bytes())], deflate)),
        ("BTCUSDT-trades-2.zip", zip(&parts, store)),
        ("a", text.trim_end().as_bytes().to_vec()),
    ] {
        let (found, counts, error) = all(&file(name, &content), Wanted::default());
        assert_eq!(error, None, "{name}");
        assert_eq!(found, only(&trades), "{name}");
        assert!(counts.told.is_empty(), "{counts}");
    }
}

#[test]
fn a_frame_is_kept_word_for_word_and_what_is_none_becomes_one() {
    let (trades, text) = frames(3);
    let read = |name: &str, content: &str| -> Vec<String> {
        let file = file(name, content.as_bytes());
        let recording = Recording::open(&file.path).unwrap();
        recording.map(|read| read.unwrap().frame).collect()
    };
    let frames: Vec<String> = trades.iter().map(|recorded| recorded.frame.clone()).collect();
    let spaced: Vec<String> = frames.iter().map(|frame| frame.replace("\"M\"", " \"M\"")).collect();
    assert_eq!(read("a", &text), frames);
    assert_eq!(read("a", &spaced.join("\r\n")), spaced);
    assert_eq!(read("a", &format!("\u{feff}1723161255342 {}\n", spaced[0])), spaced[..1]);
    let list = format!("[{}]\n", frames.join(","));
    for (name, content) in [("a", list), ("BTCUSDT-trades-1.csv", rows(&trades, false))] {
        for (frame, expected) in read(name, &content).iter().zip(&trades) {
            let SourceTrade { symbol, trade } = expected.trade.clone();
            let said = binance::decode(frame.as_bytes()).unwrap();
            assert_eq!(said, binance::Frame::Trade { symbol, trade });
        }
    }
}

#[test]
fn what_is_no_trade_is_counted_and_what_is_wrong_is_told_with_its_place() {
    let (trades, text) = frames(4);
    let good: Vec<&str> = text.lines().collect();
    let other = good[1].replace("BTCUSDT", "ETHUSDT");
    let long = "x".repeat(binance::MAX_BYTES + 1);
    let lines = [
        good[0],
        "",
        r#"{"result":null,"id":1}"#,
        "garbage",
        good[1],
        &other,
        &long,
        r#"{"e":"trade","s":"BTCUSDT","t":-4}"#,
        good[2],
        good[3],
        &good[0][..50],
    ];
    let content = lines.join("\n");
    let wanted = Wanted { symbols: names(&["BTCUSDT"]), ..Wanted::default() };
    let (found, counts, error) = all(&file("mixed", content.as_bytes()), wanted.clone());
    assert_eq!((found, error), (only(&trades), None));
    let expected = "11 lines; taken 4 trade; passed over 1 blank, 1 answer, 1 other_symbol, 1 cut_short; \
        refused 1 bad_trade, 1 garbage, 1 too_long\n  \
        line 4: neither JSON nor a row of a file of trades (garbage)\n  \
        line 7: a frame of 1048577 bytes, above 1048576 (too_long)\n  \
        line 8: t: negative (bad_trade)\n  \
        line 11: it breaks off (cut_short)";
    assert_eq!(counts.to_string(), expected);
    let text = serde_json::to_string(&counts).unwrap();
    assert!(text.contains(r#""passed_over":{"blank":1,"answer":1,"#), "{text}");
    assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
    // With strict input, reading ends at the first refused line; a last line that breaks off counts as
    // refused.
    let strict = Wanted { is_strict: true, ..wanted };
    let (found, _, error) = all(&file("mixed", content.as_bytes()), strict.clone());
    assert_eq!(found, only(&trades[..1]));
    let error = error.unwrap();
    assert!(error.contains("mixed, line 4: neither JSON nor a row"), "{error}");
    let cut = text_of(&[good[0], &good[1][..50]]);
    let error = all(&file("cut", cut.as_bytes()), strict).2.unwrap();
    assert!(error.contains("cut, line 2: it breaks off (cut_short"), "{error}");
}

fn text_of(lines: &[&str]) -> String {
    lines.join("\n")
}

#[test]
fn compressed_data_that_ends_early_is_a_last_line_that_does() {
    let (trades, text) = frames(2_000);
    let whole = gzip(text.as_bytes());
    let mut before = 0;
    for cut in [whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let (found, counts, error) = all(&file("a", &whole[..cut]), Wanted::default());
        assert_eq!(error, None);
        assert_eq!(found, only(&trades[..found.len()]));
        assert!(found.len() > before, "{} of {cut} bytes", found.len());
        before = found.len();
        assert_eq!(counts.passed_over[&Kind::CutShort], 1, "{counts}");
        assert_eq!(counts.told.len(), 1);
    }
    let zip = zip(&[("a", text.as_bytes())], CompressionMethod::Deflated);
    let error = all(&file("a", &zip[..zip.len() - 30]), Wanted::default()).2.unwrap();
    assert!(error.contains("it is a zip that can't be read") && error.contains("fetch it again"));
}

#[test]
fn damaged_data_is_an_error() {
    let (_, text) = frames(500);
    let spoilt = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 0x10;
        all(&file("a", &bytes), Wanted::default()).2
    };
    let packed = gzip(text.as_bytes());
    let crc = packed.len() - 6;
    assert!(spoilt(packed, crc).is_some_and(|error| error.starts_with("read ")));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let zip = zip(&[("a", text.as_bytes())], method);
        assert!(spoilt(zip, 400).is_some(), "{method:?}");
    }
}

#[test]
fn a_bomb_goes_off_in_nobodys_memory() {
    let bomb = gzip(&vec![b'0'; 4 << 20]).repeat(6);
    let error = all(&file("a", &bomb), Wanted::default()).2.unwrap();
    assert!(error.contains("over 200 times as large and 16 MiB"), "{error}");
}

#[test]
fn a_file_without_a_trade_says_what_it_has() {
    let wanted = || Wanted { symbols: names(&["BTCUSDT"]), ..Wanted::default() };
    let aggregates =
        r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true}"#;
    let (found, _, error) = all(&file("agg", aggregates.as_bytes()), wanted());
    assert!(found.is_empty());
    let error = error.unwrap();
    let expected = "agg: there is no trade in it of BTCUSDT: 1 lines; passed over 1 other_event";
    assert!(error.ends_with(expected), "{error}");
    let (_, text) = frames(3);
    let eth = file("eth", text.replace("BTCUSDT", "ETHUSDT").as_bytes());
    let error = all(&eth, wanted()).2.unwrap();
    assert!(error.contains("of BTCUSDT, but there are some of ETHUSDT: 3 lines;"), "{error}");
    let error = all(&file("empty", b""), Wanted::default()).2.unwrap();
    assert!(error.ends_with("empty: there is no trade in it: 0 lines"), "{error}");
    assert!(eth.dir.path().is_dir());
}

#[test]
fn rows_of_an_unknown_symbol_are_refused_until_one_is_named() {
    let (trades, _) = frames(3);
    let mine = file("mine.csv", rows(&trades, false).as_bytes());
    let error = all(&mine, Wanted::default()).2.unwrap();
    assert!(error.contains("refused 3 no_symbol") && error.contains("--symbol"), "{error}");
    let named = |symbols: &[&str]| {
        let named = names(symbols);
        Wanted { symbols: named.clone(), named, is_strict: false }
    };
    assert_eq!(all(&mine, named(&["BTCUSDT"])).0, only(&trades));
    assert!(all(&mine, named(&["BTCUSDT", "ETHUSDT"])).2.is_some());
    let theirs = file("BTCUSDT-trades-2024-08-08.csv", rows(&trades, false).as_bytes());
    let error = all(&theirs, named(&["ETHUSDT"])).2.unwrap();
    assert!(error.contains("of ETHUSDT, but there are some of BTCUSDT"), "{error}");
}

#[test]
fn what_is_packed_otherwise_says_so() {
    let told = |content: &[u8]| all(&file("a", content), Wanted::default()).2.unwrap();
    assert!(told(b"\x28\xb5\x2f\xfd....").contains("packed by zstd"));
    assert!(told(b"\xff\xfe{\0").contains("UTF-16"));
    let error = Recording::open(Path::new("no/such/file")).err().unwrap();
    assert!(error.to_string().starts_with("read no/such/file: "), "{error}");
}

/// The real files, if they lie beside the project.
#[test]
fn files_of_data_binance_vision_have_the_trades_of_the_stream() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let read = |name: &str| {
        let recording = Recording::open(&folder.join(name));
        recording.map(|recording| recording.map(|read| read.unwrap().trade).collect::<Vec<_>>())
    };
    let Ok(stream) = read("binance-spot-btcusdt-2024-08-08.jsonl.gz") else {
        println!("skipped: there is no recording in {}", folder.display());
        return;
    };
    assert_eq!(stream.len(), 9_757);
    for name in ["BTCUSDT-trades-2024-08-08.zip", "BTCUSDT-trades-microseconds.zip"] {
        assert_eq!(read(name).unwrap(), stream, "{name}");
    }
}
