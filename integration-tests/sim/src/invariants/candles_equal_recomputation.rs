//! The candles of both clouds equal, byte for byte, those that separate code computes from the published frames.

use super::Evidence;
use crate::recompute;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut rows = 0;
    for interval in &evidence.intervals {
        let expected = recompute::candles_csv(&evidence.published, interval.duration_ms());
        rows += expected.lines().count() - 1;
        for (cloud, snapshot) in &evidence.snapshots {
            let stored = snapshot.csv(*interval);
            if stored != expected {
                let (line, stored, expected) = first_difference(&stored, &expected);
                return Err(format!(
                    "{cloud}: {interval} candles, line {line}: stored {stored:?}, recomputed {expected:?}"
                ));
            }
        }
    }
    Ok(format!("{rows} candles of {} intervals", evidence.intervals.len()))
}

fn first_difference<'a>(stored: &'a str, expected: &'a str) -> (usize, &'a str, &'a str) {
    let (mut stored, mut expected) = (stored.lines(), expected.lines());
    let mut line = 1;
    loop {
        match (stored.next(), expected.next()) {
            (Some(a), Some(b)) if a == b => line += 1,
            (a, b) => return (line, a.unwrap_or_default(), b.unwrap_or_default()),
        }
    }
}
