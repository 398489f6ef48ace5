//! The candle store port over a map.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle::record::WHOLE_MAX_BYTES;
use candle::{Candle, CandleKey, Interval, PieceList, Symbol};
use pipeline::ports::{CandleStore, PortError, Stored};

use crate::Effects;

/// Candles in memory with a version each; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    candles: Arc<Mutex<BTreeMap<CandleKey, (Candle, u64)>>>,
    effects: Effects,
}

impl MemoryStore {
    /// An empty store whose effects are counted by `effects`.
    #[must_use]
    pub fn new(effects: Effects) -> Self {
        Self { candles: Arc::default(), effects }
    }

    /// The same candles with separate effects, as for one function among many.
    #[must_use]
    pub fn with_effects(&self, effects: Effects) -> Self {
        Self { candles: Arc::clone(&self.candles), effects }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<CandleKey, (Candle, u64)>) -> T) -> T {
        f(&mut self.candles.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CandleStore for MemoryStore {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, u64)>, PortError> {
        let load = || self.with(|candles| candles.get(key).cloned());
        Ok(self.effects.around(load).await)
    }

    async fn store(&self, candle: &Candle, expected: Option<&u64>) -> Result<Stored, PortError> {
        let store = || {
            self.with(|candles| {
                let (found, version) = candles.get(candle.key()).map(|(c, v)| (c, v)).unzip();
                if version != expected {
                    return Stored::Conflict;
                }
                if !fits(candle, found) {
                    return Stored::TooLarge;
                }
                let version = version.map_or(1, |version| version + 1);
                candles.insert(candle.key().clone(), (candle.clone(), version));
                Stored::Written
            })
        };
        Ok(self.effects.around(store).await)
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        Ok(self.with(|candles| {
            let mine = |key: &CandleKey| key.symbol == *symbol && key.interval == interval;
            candles.iter().filter(|(key, _)| mine(key)).map(|(_, (c, _))| c.clone()).collect()
        }))
    }
}

/// True if a cloud could write this in one step.
fn fits(candle: &Candle, stored: Option<&Candle>) -> bool {
    // A range takes 20 bytes at most.
    if candle.ids().ranges().len() <= WHOLE_MAX_BYTES / 20 {
        return true;
    }
    let stored = stored.map(|stored| PieceList::of(&stored.to_record().pieces));
    candle.to_record().changed(&stored.unwrap_or_default()).is_some()
}
