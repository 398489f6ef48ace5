//! Mutants: bugs that the invariants must find. Each is what a careless change of the pipeline could do, and each must turn
//! the run red for the right reason. Nothing of this is in the product.
//!
//! A mutant is a decorator around the ports of a simulated cloud ([`Mutated`]), so it sits between the real code and the
//! cloud, and neither knows of it. Two are not calls of a port: [`Mutant::after_crash`] and [`Mutant::injected`].

mod changes;
mod ports;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::history::CloudId::{Aws, Gcp};
use crate::schedule::{Fault, Link, Planned, Schedule, Service, To};

pub(crate) use ports::{Mutated, Mutation};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`about` says what each one is")]
pub enum Mutant {
    DropTrade,
    CountTwice,
    NewId,
    FloatSums,
    ArrivalOrder,
    AcknowledgeFirst,
    AcknowledgeFailed,
    AcknowledgePoison,
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
    NoIncarnationId,
    StuckRoute,
    IdleFault,
}

const LOST: &str = "nothing accepted is lost";
const CANDLES: &str = "candles equal the recomputation";
const DEAD_LETTERS: &str = "dead letters are the poison";

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::DropTrade,
        Self::CountTwice,
        Self::NewId,
        Self::FloatSums,
        Self::ArrivalOrder,
        Self::AcknowledgeFirst,
        Self::AcknowledgeFailed,
        Self::AcknowledgePoison,
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
        Self::NoIncarnationId,
        Self::StuckRoute,
        Self::IdleFault,
    ];

    /// The name that `--plant` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The bug, in a few words.
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
            Self::AcknowledgePoison => {
                ("acknowledge-poison", "ingest acknowledges what it can't decode", DEAD_LETTERS)
            }
            Self::DeadLetterHealthy => {
                ("dead-letter-healthy", "a healthy message is made a dead letter", DEAD_LETTERS)
            }
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
            Self::NoIncarnationId => {
                ("no-incarnation-id", "the producer looks at no cloud's incarnation id", LOST)
            }
            Self::StuckRoute => {
                ("stuck-route", "messages stay on the dead cloud", "the other cloud goes on")
            }
            Self::IdleFault => ("idle-fault", "a fault is begun and hits nothing", "faults fired"),
        }
    }

    /// The mutant of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }

    /// The schedule in which the bug shows.
    #[must_use]
    pub fn schedule(self) -> Schedule {
        let planned = |at_ms, for_ms, cloud, fault| Planned { at_ms, for_ms, cloud, fault };
        let on = |route, faults| Schedule { route, faults };
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
                let fail = Fault::Fail { service: Service::Archive, percent: 100 };
                let kill = planned(1_500, 3_000, Aws, Fault::Kill);
                on(To::Aws, vec![kill, planned(500, 1_500, Aws, fail)])
            }
            // The cloud dies and is back while no producer runs that could see it.
            Self::NoIncarnationId => {
                let cut = Fault::Cut { link: Link::Peer, hang: false };
                let cut = planned(500, 1_000, Aws, cut);
                let crash = planned(1_500, 4_000, Aws, Fault::CrashProducer);
                on(To::Aws, vec![cut, crash, planned(1_520, 3_000, Aws, Fault::Kill)])
            }
            Self::StuckRoute => on(To::Aws, vec![planned(1_000, 4_000, Aws, Fault::Kill)]),
            Self::IdleFault => {
                let fail = Fault::Fail { service: Service::Store, percent: 100 };
                on(To::Both, vec![planned(1_000, 1_000, Aws, fail)])
            }
            _ => Schedule::default(),
        }
    }

    /// The number of messages that can't be decoded, without which the bug does not show.
    #[must_use]
    pub fn poison(self) -> u32 {
        if self == Self::AcknowledgePoison { 3 } else { 0 }
    }

    /// The fault that is injected in place of a planned one.
    #[must_use]
    pub fn injected(self, planned: Planned) -> Planned {
        match self {
            Self::IdleFault => {
                let fault = Fault::Fail { service: Service::All, percent: 0 };
                Planned { fault, ..planned }
            }
            _ => planned,
        }
    }

    /// Changes what a crashed producer has left in the folder of its spool.
    pub fn after_crash(self, spool: &Path) -> anyhow::Result<()> {
        if self == Self::SpoolForgetsTail { forget_tail(spool) } else { Ok(()) }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Cuts off the second half of the spool's last segment.
fn forget_tail(dir: &Path) -> anyhow::Result<()> {
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
