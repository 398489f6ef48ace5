//! Report of a replicate run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use candle::message::Batch;
use candle::{IdRanges, Symbol};
use serde::{Serialize, Serializer};

/// Names that a report spells out; further ones are only counted.
const NAMES_SHOWN: usize = 20;

/// Work that a run has done, and what it could not copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each with a name")]
pub struct Report {
    /// Names of the peer that were compared; names of the window count twice if the deep pass reached them too.
    pub listed: usize,
    /// Objects that this run created in this cloud.
    pub copied: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Their trades, all of which are in candles.
    pub trades: usize,
    /// The ids of these trades by symbol, as ranges: first and last.
    #[serde(serialize_with = "as_pairs")]
    pub ids: BTreeMap<Symbol, IdRanges>,
    /// Objects that were missing when listed, but present when they were put.
    pub present: usize,
    /// Objects of the peer whose content does not match their name: not copied.
    pub corrupted: Names,
    /// Objects that the peer listed but did not deliver.
    pub undelivered: Names,
    /// Symbols of the peer that this deployment does not trade: not copied.
    pub other_symbols: Names,
    /// Age of the oldest trade that the peer had and this cloud lacked when the run began, else 0. An object that
    /// could not be read counts from the beginning of its hour.
    pub lag_s: u64,
    /// True if the latest hours are compared.
    pub window_compared: bool,
    /// True if the deep pass reached the archive's end: together, the runs since its last start have compared
    /// everything.
    pub end_reached: bool,
    /// True if this run alone has compared everything, and this cloud lacks nothing of it, other symbols aside.
    pub complete: bool,
    /// True if the deadline cut the run short.
    pub out_of_time: bool,
    /// The reason why the run failed, if it did.
    pub failed: Option<String>,
    /// Duration of the run.
    pub took_ms: u64,
    #[serde(skip)]
    pub(super) now_ms: u64,
    #[serde(skip)]
    oldest_lacked_ms: Option<u64>,
}

impl Report {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { now_ms, ..Self::default() }
    }

    pub(super) fn lacked(&mut self, time_ms: Option<u64>) {
        self.oldest_lacked_ms = [self.oldest_lacked_ms, time_ms].into_iter().flatten().min();
    }

    pub(super) fn copied(&mut self, bytes: usize, batch: &Batch) {
        self.copied += 1;
        self.bytes += bytes;
        self.trades += batch.trades.len();
        let ids = self.ids.entry(batch.symbol.clone()).or_default();
        for trade in &batch.trades {
            ids.insert(trade.id);
        }
    }

    pub(super) fn finish(&mut self, took: Duration) {
        let age_ms = self.oldest_lacked_ms.map(|oldest| self.now_ms.saturating_sub(oldest));
        self.lag_s = age_ms.unwrap_or(0) / 1000;
        self.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    }

    /// True if this cloud lacks nothing of what was compared.
    #[must_use]
    pub fn nothing_left_behind(&self) -> bool {
        self.corrupted.count == 0 && self.undelivered.count == 0 && self.failed.is_none()
    }

    /// The report of this run and of one that followed it with another peer: counts are added, the lag is the greater
    /// one, and a flag is set only if both have it.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.listed += other.listed;
        self.copied += other.copied;
        self.bytes += other.bytes;
        self.trades += other.trades;
        for (symbol, ids) in other.ids {
            let here = self.ids.entry(symbol).or_default();
            *here = here.union(&ids);
        }
        self.present += other.present;
        self.corrupted.join(&other.corrupted);
        self.undelivered.join(&other.undelivered);
        self.other_symbols.join(&other.other_symbols);
        self.lag_s = self.lag_s.max(other.lag_s);
        self.window_compared &= other.window_compared;
        self.end_reached &= other.end_reached;
        self.complete &= other.complete;
        self.out_of_time |= other.out_of_time;
        self.failed = match (self.failed, other.failed) {
            (Some(this), Some(that)) => Some(format!("{this}; {that}")),
            (this, that) => this.or(that),
        };
        self.took_ms += other.took_ms;
        self.oldest_lacked_ms =
            [self.oldest_lacked_ms, other.oldest_lacked_ms].into_iter().flatten().min();
        self
    }

    /// Logs one line: `replicated` with `lag_s`, or `not replicated` if not even the latest hours could be compared,
    /// since the lag is unknown then. `peer` names the cloud whose archive was read.
    pub fn log(&self, peer: &str) {
        let Self { listed, copied, bytes, trades, present, lag_s, took_ms, .. } = self;
        let (corrupted, undelivered) = (&self.corrupted, &self.undelivered);
        let failed = self.failed.as_deref().unwrap_or_default();
        if self.window_compared {
            tracing::info!(
                peer,
                lag_s,
                listed,
                copied,
                bytes,
                trades,
                present,
                corrupted = %corrupted,
                corrupted_count = corrupted.count,
                undelivered = %undelivered,
                undelivered_count = undelivered.count,
                other_symbols = %self.other_symbols,
                complete = self.complete,
                end_reached = self.end_reached,
                out_of_time = self.out_of_time,
                failed,
                took_ms,
                "replicated"
            );
        } else {
            tracing::error!(
                peer,
                failed,
                out_of_time = self.out_of_time,
                listed,
                copied,
                trades,
                took_ms,
                "not replicated"
            );
        }
    }
}

fn as_pairs<S: Serializer>(
    ids: &BTreeMap<Symbol, IdRanges>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(ids.iter().map(|(symbol, ids)| (symbol.as_str(), ids.pairs())))
}

/// A number of names, of which the first are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// Number of names.
    pub count: usize,
    /// The first names.
    pub first: Vec<String>,
}

impl Names {
    /// Adds a name, unless it is among the first ones already.
    pub fn add(&mut self, name: &str) {
        if self.first.iter().any(|first| first == name) {
            return;
        }
        self.count += 1;
        if self.first.len() < NAMES_SHOWN {
            self.first.push(name.to_owned());
        }
    }

    fn join(&mut self, other: &Self) {
        let more = other.count - other.first.len();
        other.first.iter().for_each(|name| self.add(name));
        self.count += more;
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.join(" "))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle::{Price, Quantity, Trade};

    use super::*;

    fn batch(symbol: &str, ids: &[u64]) -> Batch {
        let trade = |id: &u64| Trade {
            id: *id,
            time_ms: *id,
            price: Price::from_units(1).unwrap(),
            quantity: Quantity::from_units(1).unwrap(),
            buyer_is_maker: false,
        };
        Batch { symbol: symbol.parse().unwrap(), trades: ids.iter().map(trade).collect() }
    }

    fn names(names: impl IntoIterator<Item = usize>) -> Names {
        let mut all = Names::default();
        names.into_iter().for_each(|name| all.add(&format!("n{name}")));
        all
    }

    /// A report in which all numbers differ.
    fn report(n: usize) -> Report {
        let mut report = Report::new(10_000_000);
        report.copied(10 * n, &batch("BTCUSDT", &[1, 2]));
        report.copied(100 * n, &batch("BTCUSDT", &[4]));
        (report.listed, report.copied) = (3 * n, 7 * n);
        report.present = 5 * n;
        report.corrupted = names(0..n);
        report.undelivered = names(0..2 * n);
        report.other_symbols = names(0..4 * n);
        (report.window_compared, report.end_reached, report.complete) = (true, true, true);
        report.lacked(Some(10_000_000 - 7_000 * n as u64));
        report.finish(Duration::from_millis(11 * n as u64));
        report
    }

    #[test]
    fn the_lag_is_the_age_of_the_oldest_trade_that_was_missing() {
        let mut report = Report::new(100_000);
        report.finish(Duration::from_secs(2));
        assert_eq!((report.lag_s, report.took_ms), (0, 2_000));
        for time_ms in [Some(70_000), None, Some(60_999), Some(90_000)] {
            report.lacked(time_ms);
        }
        report.finish(Duration::MAX);
        assert_eq!((report.lag_s, report.took_ms), (39, u64::MAX));
        report.lacked(Some(0));
        report.now_ms = 0;
        report.finish(Duration::ZERO);
        assert_eq!(report.lag_s, 0, "a clock that is late");
    }

    #[test]
    fn two_reports_are_joined_part_by_part() {
        let joined = report(1).joined(report(2));
        assert_eq!((joined.listed, joined.copied, joined.bytes, joined.trades), (9, 21, 330, 6));
        assert_eq!((joined.present, joined.lag_s, joined.took_ms), (15, 14, 33));
        let ids = &joined.ids[&"BTCUSDT".parse().unwrap()];
        assert_eq!(ids.to_string(), "1-2,4");
        let counts = [&joined.corrupted, &joined.undelivered, &joined.other_symbols];
        assert_eq!(counts.map(|names| names.count), [2, 4, 8], "those of the greater one");
        assert_eq!(joined.oldest_lacked_ms, Some(10_000_000 - 14_000));
        assert!(joined.window_compared && joined.end_reached && joined.complete);
        assert!(!joined.out_of_time && joined.failed.is_none());

        let failed = |text: &str| Report { failed: Some(text.to_owned()), ..report(1) };
        let both = |this: Report, that: Report| this.joined(that).failed;
        assert_eq!(both(failed("this"), failed("that")).as_deref(), Some("this; that"));
        assert_eq!(both(failed("this"), report(1)).as_deref(), Some("this"));
        assert_eq!(both(report(1), failed("that")).as_deref(), Some("that"));

        // A flag that only one report has is false in the joined report, in either order.
        let less = || Report { out_of_time: true, ..Report::default() };
        for joined in [report(1).joined(less()), less().joined(report(1))] {
            assert!(!joined.window_compared && !joined.end_reached && !joined.complete);
            assert!(joined.out_of_time);
        }
        let other =
            Report { ids: [("ETHUSDT".parse().unwrap(), IdRanges::new())].into(), ..less() };
        assert_eq!(report(1).joined(other).ids.len(), 2);
    }

    #[test]
    fn something_is_left_behind_if_anything_was_not_copied() {
        assert!(Report::default().nothing_left_behind());
        let one = || names([1]);
        for report in [
            Report { corrupted: one(), ..Report::default() },
            Report { undelivered: one(), ..Report::default() },
            Report { failed: Some("why".to_owned()), ..Report::default() },
        ] {
            assert!(!report.nothing_left_behind(), "{report:?}");
        }
        assert!(Report { other_symbols: one(), ..Report::default() }.nothing_left_behind());
    }

    #[test]
    fn names_are_told_once_and_no_more_than_a_few() {
        let twenty = names((0..20).chain([3]));
        assert_eq!((twenty.count, twenty.first.len()), (20, 20));
        assert!(twenty.to_string().ends_with("n18 n19"), "{twenty}");
        let more = names(0..23);
        assert_eq!((more.count, more.first.len()), (23, 20));
        assert!(more.to_string().ends_with("n18 n19 and 3 more"), "{more}");
        assert_eq!(names([]).to_string(), "");

        let mut joined = names([1, 2]);
        joined.join(&more);
        // Refusals beyond the listed ones are counted as further ones.
        assert_eq!((joined.count, joined.first.len()), (23, 20));
        assert_eq!(joined.first[..3], ["n1", "n2", "n0"]);
    }
}
