//! Copies archive objects that this cloud lacks from the other cloud's archive, and folds them.
//!
//! **Pull only.** A run lists both archives, gets the objects that the peer has and this cloud lacks, and publishes nothing:
//! without a queue, a copy can't come back as an echo. The peer's archive is only read.
//!
//! **Order of effects: candle, then archive.** The reverse of ingest, whose queue redelivers after a crash. Nothing redelivers
//! a copy: the next run skips the objects that are in the archive. An archive object therefore marks that its trades are in
//! the candles, and is put last; after a crash before that, the next run folds the same trades again, which changes nothing.
//!
//! **Scope of the comparison.** Every run compares the latest hours (the window). It then continues the deep pass, a round
//! through the whole archive, hour by hour, from where the run before stopped: that finds a hole of any age. The clock only
//! decides where the window begins, and the cursor only where the deep pass does.
//!
//! **The incarnation id** is stored by each run if the cloud has none. A cloud that loses its data loses its id, which tells
//! producers to resend the messages that only this cloud had.
//!
//! **A refusal** of one object, candle or symbol holds nothing else up: the run copies the rest and then fails with the first
//! refusal. The cursor moves past it; each round tries it again.
//!
//! **Symbols** that this deployment does not trade are not copied but named in the report: an object in this archive would say
//! that its trades are in candles.

mod copy;
mod hours;
mod peer;
mod place;
mod report;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use candle::{Hour, ObjectName, Symbol, Symbols};
use tokio::time::{Instant, timeout_at};

pub use hours::{HourOfNames, Hours};
pub use report::{Names, Report};

use crate::backoff::Backoff;
use crate::fold::{Fold, FoldError};
use crate::ports::{Archive, CandleStore, Cursor, PortError};
use peer::Peer;
use place::Place;

/// Objects copied together; their trades cost one write a candle.
const CHUNK: usize = 64;
/// Symbols of the peer to look for beyond those traded here.
const OTHER_SYMBOLS_MAX: usize = 100;

/// Bounds of one run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the window: the latest time, which every run compares.
    pub window: Duration,
    /// Names of the peer that the deep pass of one run compares at most.
    pub deep_names_max: usize,
    /// Timeout of one answer of the peer.
    pub answer: Duration,
    /// Tries at each request to the peer.
    pub tries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: Duration::from_hours(2),
            deep_names_max: 20_000,
            answer: Duration::from_secs(10),
            tries: 4,
        }
    }
}

/// Copies from the archive of a peer `P` into the archive `A` and the candles `S` of this cloud.
#[derive(Debug)]
pub struct Replicate<A, S, P, C> {
    archive: A,
    fold: Fold<S>,
    peer: Peer<P>,
    cursor: C,
    symbols: Vec<Symbol>,
    limits: Limits,
    seed: u64,
}

impl<A: Archive, S: CandleStore, P: Archive, C: Cursor> Replicate<A, S, P, C> {
    /// `symbols` are those that this deployment trades; `fold` is that of its ingest function. `seed` spreads the waits
    /// between tries at the peer, and makes incarnation ids of the same millisecond differ.
    pub fn new(
        archive: A,
        fold: Fold<S>,
        peer: P,
        cursor: C,
        symbols: &Symbols,
        limits: Limits,
        seed: u64,
    ) -> Self {
        let base = Duration::from_millis(100);
        let backoff = Backoff::new(limits.tries, base, Duration::from_secs(2), seed);
        let peer = Peer::new(peer, backoff, limits.answer);
        let symbols = symbols.iter().cloned().collect();
        Self { archive, fold, peer, cursor, symbols, limits, seed }
    }

    /// Compares and copies until this run's share is done, or until four fifths of the time are over. At `deadline` it is cut
    /// off wherever it is, which is as harmless as a crash.
    ///
    /// `now_ms` is the time of day. A wrong one makes the window longer or shorter, and `lag_s` wrong.
    pub async fn run(&self, now_ms: u64, deadline: Instant) -> Report {
        self.watched(now_ms, deadline, &mut |_| ()).await
    }

    /// [`Self::run`], with the report so far given to `on_progress` after each part of the work.
    pub async fn watched(
        &self,
        now_ms: u64,
        deadline: Instant,
        on_progress: &mut (dyn FnMut(&Report) + Send),
    ) -> Report {
        let start = Instant::now();
        let no_new_work = start + deadline.saturating_duration_since(start) * 4 / 5;
        let report = Report::new(now_ms);
        let mut run =
            Run { report, no_new_work, deadline, on_progress, refusals: 0, refused: None };
        // Boxed: its type contains both clouds' clients, and without a box so would every caller's.
        let passes: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.passes(&mut run));
        match timeout_at(deadline, passes).await {
            Ok(Ok(())) => {}
            Ok(Err(Stop::Time)) | Err(_) => run.report.out_of_time = true,
            Ok(Err(stop)) => run.report.failed = Some(stop.to_string()),
        }
        run.tell_refusals();
        run.report.finish(start.elapsed());
        run.report
    }

    async fn passes(&self, run: &mut Run<'_>) -> Result<(), Stop> {
        self.ensure_incarnation(run.report.now_ms).await;
        self.look_for_other_symbols(run).await?;
        let window_ms = u64::try_from(self.limits.window.as_millis()).unwrap_or(u64::MAX);
        let first = Hour::at(run.report.now_ms.saturating_sub(window_ms));
        let mut is_compared = true;
        for symbol in &self.symbols {
            let after = Some(ObjectName::hour_prefix(symbol, first));
            let walked = self.walk(symbol, after, None, usize::MAX, run).await;
            is_compared &= run.unless_refused(symbol, walked)?.is_some();
        }
        run.report.window_compared = is_compared;
        self.deep(run).await
    }

    /// Continues the round through the archive from the cursor, as far as this run's limit allows.
    async fn deep(&self, run: &mut Run<'_>) -> Result<(), Stop> {
        let place = self.load_cursor().await;
        let mut left = self.limits.deep_names_max;
        for symbol in &self.symbols {
            let after = match &place {
                Some(place) if *symbol < place.symbol => continue,
                Some(place) if *symbol == place.symbol => Some(place.after()),
                _ => None,
            };
            left = self.deep_walk(symbol, after, None, left, run).await?;
            if left == 0 {
                return Ok(());
            }
        }
        run.report.end_reached = true;
        for symbol in &self.symbols {
            // The part before the cursor, skipped above.
            let until = match &place {
                Some(place) if *symbol < place.symbol => None,
                Some(place) if *symbol == place.symbol => Some(place.folder()),
                _ => break,
            };
            left = self.deep_walk(symbol, None, until, left, run).await?;
            if left == 0 {
                return Ok(());
            }
        }
        run.report.complete = run.report.nothing_left_behind() && run.refusals == 0;
        if place.is_some() {
            self.save_cursor("").await;
        }
        Ok(())
    }

    /// [`Self::walk`] in steps, saving the cursor after each. Returns how many names may still be compared; 0 if the walk did
    /// not reach its end. The cursor moves past refusals: the next round tries them again, and a cursor that stayed before one
    /// would keep all later names from being compared.
    async fn deep_walk(
        &self,
        symbol: &Symbol,
        mut after: Option<String>,
        until: Option<String>,
        mut left: usize,
        run: &mut Run<'_>,
    ) -> Result<usize, Stop> {
        const STEP: usize = 2_000;
        loop {
            let step = STEP.min(left);
            let walked = self.walk(symbol, after, until.as_deref(), step, run).await;
            let walked = run.unless_refused(symbol, walked)?.unwrap_or_default();
            let Some(folder) = walked.stopped_behind else {
                // At least 1: 0 means that names are left.
                return Ok(left.saturating_sub(walked.names).max(1));
            };
            self.save_cursor(&folder).await;
            after = Some(Place::after_folder(&folder));
            left = left.saturating_sub(walked.names);
            if left == 0 {
                return Ok(0);
            }
            run.check_time()?;
        }
    }

    /// Compares the hours of a symbol behind the name `after` up to the folder `until`, and copies what is missing. Compares
    /// whole hours, at least one, and starts no further one once `names_max` names are compared.
    async fn walk(
        &self,
        symbol: &Symbol,
        after: Option<String>,
        until: Option<&str>,
        names_max: usize,
        run: &mut Run<'_>,
    ) -> Result<Walked, Stop> {
        let prefix = ObjectName::symbol_prefix(symbol);
        let mut theirs = Hours::new(prefix.clone(), after.clone());
        let mut ours = Hours::new(prefix, after);
        let mut walked = Walked::default();
        let mut missing: Vec<String> = Vec::new();
        loop {
            run.check_time()?;
            let hour = theirs.next(&self.peer.by(run.deadline)).await.map_err(Stop::Peer)?;
            let Some(hour) = hour.filter(|hour| until.is_none_or(|until| &*hour.folder <= until))
            else {
                walked.stopped_behind = None;
                break;
            };
            walked.names += hour.names.len();
            run.report.listed += hour.names.len();
            let here = ours.seek(&self.archive, &hour.folder).await.map_err(Stop::Here)?;
            missing.extend(hour.missing_in(here.as_ref()));
            walked.stopped_behind = Some(hour.folder);
            (run.on_progress)(&run.report);
            while missing.len() >= CHUNK {
                let chunk: Vec<_> = missing.drain(..CHUNK).collect();
                self.copy(&chunk, run).await?;
                run.check_time()?;
            }
            if walked.names >= names_max {
                break;
            }
        }
        if !missing.is_empty() {
            self.copy(&missing, run).await?;
        }
        Ok(walked)
    }

    async fn look_for_other_symbols(&self, run: &mut Run<'_>) -> Result<(), Stop> {
        let peer = self.peer.by(run.deadline);
        let mut after: Option<String> = None;
        for _ in 0..self.symbols.len() + OTHER_SYMBOLS_MAX {
            let first = peer.list(ObjectName::ROOT, after.as_deref(), 1).await;
            let Some(name) = first.map_err(Stop::Peer)?.into_iter().next() else { break };
            let path = name.strip_prefix(ObjectName::ROOT).unwrap_or_default();
            let symbol = path.split('/').next().unwrap_or_default();
            if !symbol.parse().is_ok_and(|symbol: Symbol| self.symbols.contains(&symbol)) {
                run.report.other_symbols.add(symbol);
            }
            // `0` is the character after `/`, so this sorts behind all names of the symbol.
            after = Some(format!("{}{symbol}0", ObjectName::ROOT));
        }
        Ok(())
    }

    async fn ensure_incarnation(&self, now_ms: u64) {
        let mark = format!("{now_ms}-{:016x}", self.seed);
        if let Err(error) = self.cursor.ensure_incarnation(&mark).await {
            tracing::warn!(%error, "no incarnation id is left: the next run tries again");
        }
    }

    async fn load_cursor(&self) -> Option<Place> {
        let text = self.cursor.load().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "no cursor: the deep pass begins at the beginning");
            None
        })?;
        text.parse().ok().filter(|place: &Place| self.symbols.contains(&place.symbol))
    }

    async fn save_cursor(&self, text: &str) {
        if let Err(error) = self.cursor.save(text).await {
            tracing::warn!(%error, "the cursor is not saved: names will be compared again");
        }
    }
}

/// A run in progress.
struct Run<'p> {
    report: Report,
    no_new_work: Instant,
    deadline: Instant,
    on_progress: &'p mut (dyn FnMut(&Report) + Send),
    /// Number of objects, candles and symbols that were refused.
    refusals: usize,
    /// The first refusal, with its reason.
    refused: Option<String>,
}

impl Run<'_> {
    /// The result for a symbol; `None` if it was refused, which does not concern the other symbols.
    fn unless_refused<T>(
        &mut self,
        symbol: &Symbol,
        result: Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        match result {
            Err(stop) if stop.is_refusal() => {
                self.refuse(symbol, &stop);
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn refuse(&mut self, what: &dyn fmt::Display, why: &Stop) {
        tracing::error!(refused = %what, %why, "refused: not copied");
        self.refusals += 1;
        self.refused.get_or_insert_with(|| format!("{what}: {why}"));
    }

    fn tell_refusals(&mut self) {
        let Some(mut refused) = self.refused.take() else { return };
        if self.refusals > 1 {
            refused = format!("{refused}; and {} more refusals", self.refusals - 1);
        }
        let failed = self.report.failed.take();
        let failed = failed.map(|failed| format!("{failed}; {refused}"));
        self.report.failed = Some(failed.unwrap_or(refused));
    }

    fn check_time(&self) -> Result<(), Stop> {
        if Instant::now() < self.no_new_work { Ok(()) } else { Err(Stop::Time) }
    }
}

/// Result of a walk.
#[derive(Default)]
struct Walked {
    names: usize,
    /// The folder of the last compared hour, if others may follow it.
    stopped_behind: Option<String>,
}

/// The reason why a run ends early.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the time is over")]
    Time,
    #[error("the peer does not answer: {0}")]
    Peer(PortError),
    #[error("the peer lists but does not deliver: {0}")]
    NotDelivered(PortError),
    #[error("here: {0}")]
    Here(PortError),
    #[error("here: {0}")]
    Fold(FoldError),
}

impl Stop {
    /// True if it concerns one object, candle or symbol only: the others can still be copied.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Time => false,
            Self::Peer(error)
            | Self::NotDelivered(error)
            | Self::Here(error)
            | Self::Fold(FoldError::Store(error)) => !error.fault.may_pass(),
            Self::Fold(_) => true,
        }
    }
}
