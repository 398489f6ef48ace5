//! The whole state of a cloud after a run, and the files it is left in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use candle::record::{self, Field};
use candle::{Candle, IdRanges, Interval, csv, table};
use serde::Deserialize;
use serde_json::json;
use toolbox::verify::sha256;

use crate::history::CloudId;
use crate::run_files::{json_lines, lines, write};

/// Content of a cloud.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Candles of all intervals.
    pub candles: Vec<Candle>,
    /// Archive objects: name and content, by name.
    pub archive: Vec<(String, Bytes)>,
    /// Bodies of the dead letters.
    pub dead_letters: Vec<Bytes>,
}

impl Snapshot {
    /// All candles in their canonical form, one a line, in order of their keys.
    #[must_use]
    pub fn canonical(&self) -> String {
        table::canonical(&self.candles)
    }

    /// SHA-256 of [`Self::canonical`] in hex: what `sha256sum candles-CLOUD.jsonl` prints.
    #[must_use]
    pub fn digest(&self) -> String {
        table::digest(&self.candles)
    }

    /// By symbol, the ids of all trades in the candles of an interval.
    #[must_use]
    pub fn held(&self, interval: Interval) -> BTreeMap<&str, IdRanges> {
        let mut held: BTreeMap<&str, IdRanges> = BTreeMap::new();
        for candle in self.candles.iter().filter(|candle| candle.key().interval == interval) {
            let ids = held.entry(candle.key().symbol.as_str()).or_default();
            *ids = ids.union(candle.ids());
        }
        held
    }

    /// The candles of an interval as CSV with a header, by symbol and open time.
    #[must_use]
    pub fn csv(&self, interval: Interval) -> String {
        let mut candles: Vec<_> =
            self.candles.iter().filter(|candle| candle.key().interval == interval).collect();
        candles.sort_by_key(|candle| (candle.key().symbol.clone(), candle.key().open_time_ms));
        csv::table(candles)
    }

    /// Leaves the state in `dir`: `candles-CLOUD.csv` (one minute), `candles-CLOUD.jsonl` (all), `archive-CLOUD.jsonl`
    /// (names, sizes, hashes), the objects themselves in `archive/CLOUD`, and `dead-letters-CLOUD.jsonl`.
    pub fn write(&self, dir: &Path, cloud: CloudId) -> anyhow::Result<()> {
        let archive = self.archive.iter().map(
            |(name, bytes)| json!({"name": name, "bytes": bytes.len(), "sha256": sha256(bytes)}),
        );
        let dead_letters =
            self.dead_letters.iter().map(|body| json!({"body": String::from_utf8_lossy(body)}));
        write(dir, &format!("candles-{cloud}.csv"), &self.csv(Interval::M1))?;
        write(dir, &format!("candles-{cloud}.jsonl"), &self.canonical())?;
        write(dir, &format!("archive-{cloud}.jsonl"), &json_lines(archive))?;
        write(dir, &format!("dead-letters-{cloud}.jsonl"), &json_lines(dead_letters))?;
        for (name, bytes) in &self.archive {
            let path = object(dir, cloud, name)?;
            let folder = path.parent().unwrap_or(dir);
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] left.
    pub fn read(dir: &Path, cloud: CloudId) -> anyhow::Result<Self> {
        let candles: Vec<Canonical> = lines(dir, &format!("candles-{cloud}.jsonl"))?;
        let candles = candles.into_iter().map(Canonical::candle).collect::<anyhow::Result<_>>()?;
        let listed: Vec<Listed> = lines(dir, &format!("archive-{cloud}.jsonl"))?;
        let mut archive = Vec::new();
        for Listed { name, sha256: expected } in listed {
            let path = object(dir, cloud, &name)?;
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            anyhow::ensure!(
                sha256(&bytes) == expected,
                "{} is not the object that the run read: its SHA-256 is another one",
                path.display()
            );
            archive.push((name, bytes.into()));
        }
        let letters: Vec<Letter> = lines(dir, &format!("dead-letters-{cloud}.jsonl"))?;
        let dead_letters = letters.into_iter().map(|letter| letter.body.into()).collect();
        Ok(Self { candles, archive, dead_letters })
    }
}

/// Path of a cloud's object in the run's folder. Its name comes from a cloud.
fn object(dir: &Path, cloud: CloudId, name: &str) -> anyhow::Result<PathBuf> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    anyhow::ensure!(is_plain, "{cloud}: object {name:?} has no name that a file could have");
    Ok(dir.join("archive").join(cloud.as_str()).join(name))
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    sha256: String,
}

#[derive(Deserialize)]
struct Letter {
    body: String,
}

/// A line of `candles-CLOUD.jsonl`.
#[derive(Deserialize)]
struct Canonical {
    candle: String,
    open: String,
    open_at: (i64, i64),
    high: String,
    low: String,
    close: String,
    close_at: (i64, i64),
    volume: String,
    quote_volume: String,
    taker_buy_volume: String,
    trades: i64,
    ids: Vec<(u64, u64)>,
}

impl Canonical {
    fn candle(self) -> anyhow::Result<Candle> {
        let mut key = self.candle.split('/');
        let mut part = || key.next().unwrap_or_default().to_owned();
        let (symbol, interval, open_time) = (part(), part(), part());
        let ids: IdRanges = self.ids.iter().map(|(first, last)| *first..=*last).collect();
        let whole = |value: Option<u64>| {
            value.and_then(|value| i64::try_from(value).ok()).map(Field::Integer)
        };
        let candle = Candle::from_fields(|name| match name {
            "v" => Some(Field::Integer(record::VERSION)),
            "symbol" => Some(Field::Text(symbol.clone())),
            "interval" => Some(Field::Text(interval.clone())),
            "open_time_ms" => whole(open_time.parse().ok()),
            "open" => Some(Field::Text(self.open.clone())),
            "open_trade_time_ms" => Some(Field::Integer(self.open_at.0)),
            "open_trade_id" => Some(Field::Integer(self.open_at.1)),
            "high" => Some(Field::Text(self.high.clone())),
            "low" => Some(Field::Text(self.low.clone())),
            "close" => Some(Field::Text(self.close.clone())),
            "close_trade_time_ms" => Some(Field::Integer(self.close_at.0)),
            "close_trade_id" => Some(Field::Integer(self.close_at.1)),
            "volume" => Some(Field::Text(self.volume.clone())),
            "quote_volume" => Some(Field::Text(self.quote_volume.clone())),
            "taker_buy_volume" => Some(Field::Text(self.taker_buy_volume.clone())),
            "trades" => Some(Field::Integer(self.trades)),
            "first_trade_id" => whole(ids.first()),
            "last_trade_id" => whole(ids.last()),
            "ids" => Some(Field::Bytes(ids.to_bytes())),
            _ => None,
        });
        candle.with_context(|| format!("read candle {}", self.candle))
    }
}

#[cfg(test)]
mod tests {
    use producer::Generator;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let symbol: candle::Symbol = "BTCUSDT".parse().unwrap();
        let trades: Vec<_> =
            Generator::new(symbol.clone(), 300, 1).map(|made| made.trade).collect();
        let candles = candle::fold(&symbol, &trades, &Interval::ALL).into_values().collect();
        let archive = vec![("trades/v1/a/b.gz".to_owned(), Bytes::from_static(b"abc"))];
        let dead_letters = vec![Bytes::from_static(b"poison")];
        let snapshot = Snapshot { candles, archive, dead_letters };
        snapshot.write(folder.path(), CloudId::Gcp).unwrap();
        let read = Snapshot::read(folder.path(), CloudId::Gcp).unwrap();
        assert_eq!(read.canonical(), snapshot.canonical());
        assert_eq!(
            (&read.archive, &read.dead_letters),
            (&snapshot.archive, &snapshot.dead_letters)
        );

        fs::write(folder.path().join("archive/gcp/trades/v1/a/b.gz"), "abd").unwrap();
        let error = Snapshot::read(folder.path(), CloudId::Gcp).unwrap_err();
        assert!(error.to_string().contains("another one"), "{error}");
    }

    #[test]
    fn an_object_cannot_leave_its_folder() {
        let archive = vec![("../../x".to_owned(), Bytes::new())];
        let snapshot = Snapshot { archive, ..Snapshot::default() };
        let folder = tempfile::tempdir().unwrap();
        let error = snapshot.write(folder.path(), CloudId::Aws).unwrap_err();
        assert!(error.to_string().contains("../../x"), "{error}");
    }
}
