//! From a source into the relay, at the pace that was asked for.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Context as _;
use candle::{Symbol, Symbols};
use tokio::sync::mpsc;

use super::args::{Args, Source, Speed};
use producer::{Counts, Generator, Recording, SourceError, SourceTrade, Wanted};

/// A longer wait is cut into such pieces, to hear of a stop.
const NAP: Duration = Duration::from_millis(20);

type Trades = Box<dyn Iterator<Item = Result<SourceTrade, SourceError>> + Send>;

/// Identity of a source, which tells its position from that of another one. A file is another one once it was
/// changed: it is then sent from its start, which changes nothing that was sent before. A named pipe is the same one as
/// long as its path is: its writer begins at the same trade for each producer.
pub(super) fn identity(source: &Source, symbols: &Symbols) -> anyhow::Result<String> {
    let names: Vec<_> = symbols.iter().map(Symbol::as_str).collect();
    let what = match source {
        // Ids tell by symbol how far it is.
        Source::Binance => return Ok("binance".to_owned()),
        Source::Generate { .. } => source.to_string(),
        Source::File(path) => file_identity(path)?,
    };
    Ok(format!("{what} of {}", names.join(",")))
}

fn file_identity(path: &Path) -> anyhow::Result<String> {
    let found = path.canonicalize().and_then(|whole| Ok((whole.metadata()?, whole)));
    let (metadata, whole) =
        found.with_context(|| format!("read the recording {}", path.display()))?;
    if !metadata.is_file() {
        // The time of a pipe changes as it is written to, and it has no length.
        return Ok(whole.display().to_string());
    }
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed_ns = changed.unwrap_or_default().as_nanos();
    Ok(format!("{}, {} bytes, changed at {changed_ns} ns", whole.display(), metadata.len()))
}

/// Trades that are not waited for.
pub(super) struct Stock {
    pub(super) trades: Trades,
    /// The lines of a recording so far.
    pub(super) counts: Option<Arc<Mutex<Counts>>>,
}

/// The trades of a file or a generator, of these symbols only.
pub(super) fn trades(args: &Args, symbols: &Symbols) -> Result<Option<Stock>, SourceError> {
    let mut counts = None;
    let trades: Option<Trades> = match &args.source {
        Source::Binance => None,
        Source::File(path) => {
            let recording = Recording::open(path)?.wanting(Wanted {
                symbols: symbols.iter().cloned().collect(),
                named: args.symbols.clone(),
                is_strict: args.strict_input,
            });
            counts = Some(recording.counts());
            Some(Box::new(recording.map(|read| read.map(|recorded| recorded.trade))))
        }
        Source::Generate { count, seed } => {
            let generators = symbols.iter().zip(*seed..);
            let generators: Vec<_> = generators
                .map(|(symbol, seed)| Generator::new(symbol.clone(), *count, seed))
                .collect();
            Some(Box::new(
                in_turn(generators).take(usize::try_from(*count).unwrap_or(usize::MAX)).map(Ok),
            ))
        }
    };
    Ok(trades.map(|trades| Stock { trades, counts }))
}

fn in_turn(mut generators: Vec<Generator>) -> impl Iterator<Item = SourceTrade> {
    let mut turn = 0;
    std::iter::from_fn(move || {
        let at = turn % generators.len().max(1);
        turn += 1;
        generators.get_mut(at)?.next()
    })
}

/// When trades are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    speed: Speed,
    rate: Option<u32>,
}

impl Pace {
    pub(super) fn of(args: &Args) -> Self {
        Self { speed: args.speed, rate: args.rate }
    }

    /// After the start, of trade number `number` that comes `after_ms` after the first one.
    fn due(self, number: u64, after_ms: u64) -> Duration {
        match self.rate {
            Some(rate) => {
                Duration::from_micros(number.saturating_mul(1_000_000) / u64::from(rate.max(1)))
            }
            None => self.speed.due(after_ms),
        }
    }
}

/// Passes over `skip` trades and sends the others, each when it is due, until there are no more, the receiver is dropped, or
/// `stop` is set. Blocks.
pub(super) fn feed(
    trades: Trades,
    skip: u64,
    pace: Pace,
    sender: &mpsc::Sender<SourceTrade>,
    stop: &AtomicBool,
) -> Result<(), SourceError> {
    let mut left = skip;
    let is_new = move |read: &Result<SourceTrade, _>| {
        // An error is passed over by none: nothing comes after it.
        let is_taken = left > 0 && read.is_ok();
        left -= u64::from(is_taken);
        !is_taken
    };
    let started = Instant::now();
    let mut first_ms = None;
    for (number, read) in (0..).zip(trades.filter(is_new)) {
        let made = read?;
        let time_ms = made.trade.time_ms;
        let after_ms = time_ms.saturating_sub(*first_ms.get_or_insert(time_ms));
        let due = started + pace.due(number, after_ms);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            if left.is_zero() || stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(left.min(NAP));
        }
        if stop.load(Ordering::Relaxed) || sender.blocking_send(made).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(names: &[&str]) -> Symbols {
        names.iter().map(|name| name.parse::<Symbol>().unwrap()).collect()
    }

    fn made(source: &str, symbols: &Symbols) -> Trades {
        use clap::Parser as _;
        let args = Args::parse_from(["producer", "--source", source, "--spool", "s"]);
        trades(&args, symbols).unwrap().unwrap().trades
    }

    #[test]
    fn a_generator_serves_its_symbols_in_turn_and_the_count_is_of_all() {
        let made = made("generate:5:1", &symbols(&["BTCUSDT", "ETHUSDT"]));
        let names: Vec<_> = made.map(|made| made.unwrap().symbol.to_string()).collect();
        assert_eq!(names, ["BTCUSDT", "ETHUSDT", "BTCUSDT", "ETHUSDT", "BTCUSDT"]);
    }

    #[test]
    fn what_was_taken_is_passed_over_and_the_rest_is_the_same() {
        let symbols = symbols(&["BTCUSDT"]);
        let all: Vec<_> = made("generate:9:1", &symbols).map(Result::unwrap).collect();
        let (sender, mut receiver) = mpsc::channel(10);
        let pace = Pace { speed: "max".parse().unwrap(), rate: None };
        feed(made("generate:9:1", &symbols), 4, pace, &sender, &AtomicBool::new(false)).unwrap();
        drop(sender);
        let rest: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(rest, all[4..]);
    }

    #[test]
    fn a_file_without_a_trade_is_a_mistake_of_the_input_also_for_who_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recording");
        std::fs::write(&path, r#"{"e":"aggTrade","s":"BTCUSDT","a":1}"#).unwrap();
        for skip in [0, 7] {
            let (sender, _receiver) = mpsc::channel(10);
            let pace = Pace { speed: "max".parse().unwrap(), rate: None };
            let made = made(path.to_str().unwrap(), &symbols(&["BTCUSDT"]));
            let error = feed(made, skip, pace, &sender, &AtomicBool::new(false)).unwrap_err();
            assert!(error.is_about_input());
            assert!(error.to_string().contains("no trade in it of BTCUSDT: 1 lines"), "{error}");
        }
    }

    #[test]
    fn a_named_pipe_is_the_same_source_however_often_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let one = symbols(&["BTCUSDT"]);
        let first = identity(&Source::File(path.clone()), &one).unwrap();
        let mut pipe = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut pipe, b"a\n").unwrap();
        assert_eq!(identity(&Source::File(path), &one).unwrap(), first);
    }

    #[test]
    fn another_file_is_another_source() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recording");
        let one = symbols(&["BTCUSDT"]);
        assert!(identity(&Source::File(path.clone()), &one).is_err(), "it is not there");
        std::fs::write(&path, "a").unwrap();
        let first = identity(&Source::File(path.clone()), &one).unwrap();
        assert_eq!(identity(&Source::File(path.clone()), &one).unwrap(), first);
        let two = symbols(&["BTCUSDT", "ETHUSDT"]);
        assert_ne!(identity(&Source::File(path.clone()), &two).unwrap(), first);
        std::fs::write(&path, "ab").unwrap();
        assert_ne!(identity(&Source::File(path), &one).unwrap(), first);
    }
}
