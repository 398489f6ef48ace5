//! No trade is in two candles of an interval, and no candle counts more trades than it has ids.

use candle::IdRanges;

use super::Evidence;

pub(super) fn check(evidence: &Evidence) -> Result<String, String> {
    let mut candles = 0;
    for (cloud, snapshot) in &evidence.snapshots {
        for interval in &evidence.intervals {
            let mut seen: std::collections::BTreeMap<&str, IdRanges> =
                std::collections::BTreeMap::new();
            for candle in snapshot.candles.iter().filter(|c| c.key().interval == *interval) {
                candles += 1;
                let ids = candle.ids();
                if ids.count() != candle.trades() {
                    return Err(format!(
                        "{cloud}: candle {} counts {} trades of {} ids",
                        candle.key(),
                        candle.trades(),
                        ids.count()
                    ));
                }
                let seen = seen.entry(candle.key().symbol.as_str()).or_default();
                let union = seen.union(ids);
                if union.count() != seen.count() + ids.count() {
                    return Err(format!(
                        "{cloud}: candle {} holds {} trades that another {interval} candle holds too",
                        candle.key(),
                        seen.count() + ids.count() - union.count()
                    ));
                }
                *seen = union;
            }
        }
    }
    Ok(format!("{candles} candles looked at"))
}
