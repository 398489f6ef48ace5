//! One run over several peers.

use pipeline::ports::{Archive, CandleStore, Cursor};
use pipeline::{Replicate, Report};
use tokio::time::Instant;

/// Copies missing trades from each of several archives: one that is unavailable does not hold up the others.
#[derive(Debug)]
pub struct Peers<A, S, P, C> {
    each: Vec<(String, Replicate<A, S, P, C>)>,
}

impl<A, S, P, C> Peers<A, S, P, C> {
    /// By name, for the log; each with a cursor of its own.
    #[must_use]
    pub fn new(each: Vec<(String, Replicate<A, S, P, C>)>) -> Self {
        Self { each }
    }
}

impl<A: Archive, S: CandleStore, P: Archive, C: Cursor> Peers<A, S, P, C> {
    /// One after the other, as they fold into the same candles; each may take as much as is left for each. Logs a line
    /// for each peer, and says what they have done together.
    pub async fn run(&self, now_ms: u64, deadline: Instant) -> Report {
        let mut all: Option<Report> = None;
        let count = self.each.len();
        for (left, (peer, replicate)) in (1..=count).rev().zip(&self.each) {
            let share = deadline.saturating_duration_since(Instant::now()) / narrowed(left);
            let mut report = replicate.run(now_ms, Instant::now() + share).await;
            report.log(peer);
            if count > 1 {
                report.failed = report.failed.map(|failed| format!("{peer}: {failed}"));
            }
            all = Some(match all {
                Some(before) => before.joined(report),
                None => report,
            });
        }
        all.unwrap_or_default()
    }
}

fn narrowed(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
