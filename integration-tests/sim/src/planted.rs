//! Bugs that the harness must find: each is what a careless change of the pipeline could do, put between the real code and
//! the clouds of [`crate::simulation`], and each must turn the run red for the right reason. Nothing of this is in the
//! product.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use candle::message::{self, Batch};
use candle::record::Field;
use candle::{ArchiveObject, Candle, Symbols, Trade};

use crate::history::CloudId::{Aws, Gcp};
use crate::schedule::{Fault, Link, Planned, Schedule, Service, To, named};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`about` says what each one is")]
pub enum Plant {
    DropTrade,
    CountTwice,
    NewId,
    FloatSums,
    ArrivalOrder,
    AcknowledgeFirst,
    AcknowledgeFailed,
    DeadLetterHealthy,
    Echo,
    SkipHour,
    NoFold,
    AddVolumes,
    OneWay,
    WrongContent,
    LastWriterWins,
    LyingQueue,
    SpoolForgetsTail,
    NoReplay,
    NoBirthMark,
    StuckRoute,
    IdleFault,
}

const LOST: &str = "nothing accepted is lost";
const CANDLES: &str = "candles equal the recomputation";

impl Plant {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::DropTrade,
        Self::CountTwice,
        Self::NewId,
        Self::FloatSums,
        Self::ArrivalOrder,
        Self::AcknowledgeFirst,
        Self::AcknowledgeFailed,
        Self::DeadLetterHealthy,
        Self::Echo,
        Self::SkipHour,
        Self::NoFold,
        Self::AddVolumes,
        Self::OneWay,
        Self::WrongContent,
        Self::LastWriterWins,
        Self::LyingQueue,
        Self::SpoolForgetsTail,
        Self::NoReplay,
        Self::NoBirthMark,
        Self::StuckRoute,
        Self::IdleFault,
    ];

    /// What `--plant` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What the bug is.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.row().1
    }

    /// The invariant that must be broken.
    #[must_use]
    pub fn expected(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::DropTrade => ("drop-trade", "ingest drops one trade in a thousand", LOST),
            Self::CountTwice => (
                "count-twice",
                "trades are counted in the candle after theirs, too",
                "nothing counts twice",
            ),
            Self::NewId => ("new-id", "ingest takes a trade for another one as well", CANDLES),
            Self::FloatSums => ("float-sums", "quote volume is summed as a float", CANDLES),
            Self::ArrivalOrder => {
                ("arrival-order", "a candle opens with the trade that arrives first", CANDLES)
            }
            Self::AcknowledgeFirst => {
                ("acknowledge-first", "ingest acknowledges before it archives, and crashes", LOST)
            }
            Self::AcknowledgeFailed => {
                ("acknowledge-failed", "ingest acknowledges what it failed to archive", LOST)
            }
            Self::DeadLetterHealthy => (
                "dead-letter-healthy",
                "a healthy message is made a dead letter",
                "dead letters are the poison",
            ),
            Self::Echo => ("echo", "replicate publishes what it copies", "no copy is sent again"),
            Self::SkipHour => ("skip-hour", "replicate's cursor skips an hour", LOST),
            Self::NoFold => ("no-fold", "replicate puts objects and folds none", LOST),
            Self::AddVolumes => ("add-volumes", "replicate merges by adding volumes", CANDLES),
            Self::OneWay => ("one-way", "replicate copies in one direction only", "clouds agree"),
            Self::WrongContent => (
                "wrong-content",
                "an object has another content than its name says",
                "archives hold the trades",
            ),
            Self::LastWriterWins => {
                ("last-writer-wins", "the store ignores the compare-and-set", LOST)
            }
            Self::LyingQueue => {
                ("lying-queue", "a queue acknowledges a message and does not keep it", LOST)
            }
            Self::SpoolForgetsTail => {
                ("spool-forgets-tail", "the spool forgets its last messages in a crash", CANDLES)
            }
            Self::NoReplay => ("no-replay", "failover does not publish the window again", LOST),
            Self::NoBirthMark => {
                ("no-birth-mark", "the producer looks at no cloud's birth mark", LOST)
            }
            Self::StuckRoute => {
                ("stuck-route", "messages stay on the dead cloud", "the other cloud goes on")
            }
            Self::IdleFault => ("idle-fault", "a fault is begun and hits nothing", "faults fired"),
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.name() == name)
    }

    /// What must happen for the bug to show.
    #[must_use]
    pub fn schedule(self) -> Schedule {
        let planned = |at_ms, for_ms, cloud, fault| Planned { at_ms, for_ms, cloud, fault };
        let on = |route, faults| Schedule { route, faults };
        let scenario = |name| named(name).unwrap_or_default();
        match self {
            Self::AcknowledgeFirst => {
                on(To::Aws, vec![planned(1_500, 0, Aws, Fault::CrashFunction { times: 8 })])
            }
            Self::AcknowledgeFailed => {
                let fail = Fault::Fail { service: Service::Archive, percent: 100 };
                on(To::Aws, vec![planned(500, 2_000, Aws, fail)])
            }
            Self::ArrivalOrder => {
                let reorder = Fault::Reorder { percent: 100 };
                let slow = Fault::Slow { delay_ms: 400 };
                let both = |fault| [Aws, Gcp].map(|cloud| planned(50, 6_000, cloud, fault));
                on(To::Both, [both(reorder), both(slow)].concat())
            }
            Self::Echo | Self::SkipHour | Self::NoFold | Self::AddVolumes | Self::OneWay => {
                on(To::Aws, Vec::new())
            }
            Self::LastWriterWins => on(
                To::Both,
                vec![
                    planned(200, 4_000, Aws, Fault::Slow { delay_ms: 100 }),
                    planned(200, 4_000, Gcp, Fault::Slow { delay_ms: 100 }),
                ],
            ),
            Self::SpoolForgetsTail => {
                let cut = Fault::Cut { link: Link::Producer, hang: false };
                let mut faults = vec![planned(2_500, 100, Aws, Fault::CrashProducer)];
                faults.extend([Aws, Gcp].map(|cloud| planned(1_000, 3_000, cloud, cut)));
                on(To::Both, faults)
            }
            Self::NoReplay => {
                let mut schedule = scenario("kill-aws");
                let fail = Fault::Fail { service: Service::Archive, percent: 100 };
                schedule.faults.push(planned(500, 1_500, Aws, fail));
                schedule
            }
            Self::NoBirthMark => scenario("kill-unseen"),
            Self::StuckRoute => on(To::Aws, vec![planned(1_000, 4_000, Aws, Fault::Kill)]),
            Self::IdleFault => {
                let fail = Fault::Fail { service: Service::Store, percent: 100 };
                on(To::Both, vec![planned(1_000, 1_000, Aws, fail)])
            }
            _ => Schedule::default(),
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What ingest gets of a message.
#[must_use]
pub fn body(plant: Option<Plant>, body: &Bytes, symbols: &Symbols) -> Bytes {
    let Some(plant) = plant else { return body.clone() };
    let Ok(mut batch) = message::decode(body, symbols) else { return body.clone() };
    let is_one_of = |trade: &Trade, many: u64| trade.id % many == 7;
    let more = |change: fn(&mut Trade)| {
        let picked = batch.trades.iter().filter(|trade| is_one_of(trade, 100)).copied();
        picked.map(move |mut trade| {
            change(&mut trade);
            trade
        })
    };
    match plant {
        Plant::DropTrade => batch.trades.retain(|trade| !is_one_of(trade, 1_000)),
        Plant::NewId => {
            let more: Vec<_> = more(|trade| trade.id += 1_000_000_000).collect();
            batch.trades.extend(more);
        }
        _ => return body.clone(),
    }
    if batch.trades.is_empty() {
        return body.clone();
    }
    message::encode(&batch).into()
}

/// Whether a message is one of the few that a bug picks.
#[must_use]
pub fn is_dropped(body: &(impl AsRef<[u8]> + ?Sized)) -> bool {
    let sum = body.as_ref().iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
    sum % 20 == 0
}

/// What an object must not hold.
#[must_use]
pub fn other_content(bytes: &Bytes) -> Bytes {
    let mut other = bytes.to_vec();
    if let Some(byte) = other.last_mut() {
        *byte ^= 1;
    }
    other.into()
}

/// An object as a message.
#[must_use]
pub fn message_of(name: &str, bytes: &[u8]) -> Option<String> {
    let object = ArchiveObject::decode(name, bytes).ok()?;
    let symbol = object.name().symbol.clone();
    Some(message::encode(&Batch { symbol, trades: object.trades().to_vec() }))
}

/// Objects of the first hour of a day.
#[must_use]
pub fn is_of_a_skipped_hour(name: &str) -> bool {
    name.contains("T00/")
}

/// A candle whose quote volume went through a float.
#[must_use]
pub fn float_sums(candle: &Candle) -> Candle {
    changed(candle, &["quote_volume"], |text| {
        let float: f32 = text.parse().ok()?;
        Some(format!("{float:.8}"))
    })
}

/// A candle whose volumes were there already.
#[must_use]
pub fn added_volumes(candle: &Candle) -> Candle {
    changed(candle, &["volume", "quote_volume", "taker_buy_volume"], |text| {
        let (whole, fraction) = text.split_once('.')?;
        let units: u128 = format!("{whole}{fraction}").parse().ok()?;
        let digits = format!("{:0>1$}", 2 * units, fraction.len() + 1);
        let (whole, fraction) = digits.split_at(digits.len() - fraction.len());
        Some(format!("{whole}.{fraction}"))
    })
}

/// A candle that opens as it did before.
#[must_use]
pub fn opened_before(candle: &Candle, before: &Candle) -> Candle {
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    let open = ["open", "open_trade_time_ms", "open_trade_id"];
    let before = before.to_fields().into_iter().filter(|(name, _)| open.contains(name));
    fields.extend(before);
    Candle::from_fields(|field| fields.get(field).cloned()).unwrap_or_else(|_| candle.clone())
}

/// A candle's trades in the candle after it.
#[must_use]
pub fn next_candle(candle: &Candle) -> Option<Candle> {
    let after_ms = i64::try_from(candle.key().interval.duration_ms()).ok()?;
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    for name in ["open_time_ms", "open_trade_time_ms", "close_trade_time_ms"] {
        if let Some(Field::Integer(time_ms)) = fields.get_mut(name) {
            *time_ms += after_ms;
        }
    }
    Candle::from_fields(|field| fields.get(field).cloned()).ok()
}

fn changed(candle: &Candle, names: &[&str], change: impl Fn(&str) -> Option<String>) -> Candle {
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    for name in names {
        if let Some(Field::Text(text)) = fields.get_mut(name)
            && let Some(other) = change(text)
        {
            *text = other;
        }
    }
    // One that no trades could make is not stored, and the bug does not show: its test fails then.
    Candle::from_fields(|field| fields.get(field).cloned()).unwrap_or_else(|_| candle.clone())
}

/// Cuts off the second half of the spool's last segment.
pub fn forget_tail(dir: &Path) -> anyhow::Result<()> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit()) {
            segments.push(path);
        }
    }
    segments.sort();
    if let Some(last) = segments.last() {
        let file = fs::OpenOptions::new().write(true).open(last)?;
        file.set_len(file.metadata()?.len() / 2)?;
    }
    Ok(())
}
