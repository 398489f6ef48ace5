//! What a run sends: trades from a recording or the generator, packed into messages, with poison between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use anyhow::{Context as _, bail};
use args::Trades;
use candle::message;
use candle::{Symbol, Symbols, Trade};
use producer::{
    BatchLimits, Batcher, Counts, Generator, Recorded, Recording, SourceTrade, Start, Wanted,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Everything that will be published, in order.
#[derive(Debug)]
pub struct Workload {
    /// The symbols in it.
    pub symbols: Symbols,
    /// The messages.
    pub messages: Vec<Message>,
    /// The frame of each trade, duplicates too, in the order of the source: word for word, if it came in one.
    pub frames: Vec<String>,
    /// The lines of the recording, if trades come from one.
    pub recording: Option<Counts>,
    /// Distinct trades.
    pub unique: usize,
}

/// One message to publish.
#[derive(Clone, Debug)]
pub struct Message {
    /// Text of the message, as published.
    pub body: String,
    /// The message's content.
    pub content: Content,
}

impl Message {
    /// Trades in it.
    #[must_use]
    pub fn trades(&self) -> u64 {
        match &self.content {
            Content::Trades { ids, .. } => ids.len() as u64,
            Content::Poison => 0,
        }
    }
}

/// Content of a message.
#[derive(Clone, Debug)]
pub enum Content {
    /// Trades of a symbol.
    Trades {
        /// The symbol.
        symbol: Symbol,
        /// Ids in the order of the message.
        ids: Vec<u64>,
    },
    /// Nothing that can be decoded.
    Poison,
}

/// Inputs of a workload.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Source of the trades; a generator has its seed here.
    pub trades: Trades,
    /// Symbols to take from a recording; empty: all.
    pub symbols: Vec<Symbol>,
    /// Symbol of generated trades.
    pub default_symbol: Symbol,
    /// Bounds of a message.
    pub limits: BatchLimits,
    /// Messages that can't be decoded.
    pub poison: u32,
    /// Of the poison's places.
    pub seed: u64,
    /// Start of generated trades; `None`: the default one.
    pub start: Option<Start>,
    /// A line of a recording that is refused or cut short costs all of it.
    pub is_strict: bool,
}

impl Workload {
    /// Reads or makes the trades and packs them.
    pub fn prepare(recipe: &Recipe) -> anyhow::Result<Self> {
        let mut seen: BTreeMap<(Symbol, u64), Trade> = BTreeMap::new();
        let mut symbols = BTreeSet::new();
        let mut batcher = Batcher::new(recipe.limits);
        let mut messages = Vec::new();
        let mut frames = Vec::new();
        let mut source = Source::open(recipe)?;
        while let Some(Recorded { trade: SourceTrade { symbol, trade }, frame }) = source.next()? {
            let first = *seen.entry((symbol.clone(), trade.id)).or_insert(trade);
            if first != trade {
                let row = |trade| serde_json::to_string(trade).unwrap_or_default();
                let (first, second) = (row(&first), row(&trade));
                source.refuse(&format!(
                    "an id names one trade, and this one of {symbol} is there already as {first}, and here as {second}"
                ))?;
                continue;
            }
            frames.push(frame);
            messages.extend(batcher.push(&symbol, trade));
            symbols.insert(symbol);
        }
        messages.extend(batcher.finish());
        let mut messages: Vec<Message> = messages.into_iter().map(trades_message).collect();
        insert_poison(&mut messages, recipe);
        let (symbols, recording) = (Symbols::new(symbols), source.counts());
        Ok(Self { symbols, messages, frames, recording, unique: seen.len() })
    }

    /// Poison messages in it.
    pub fn poison(&self) -> impl Iterator<Item = &str> {
        let poison = |message: &&Message| matches!(message.content, Content::Poison);
        self.messages.iter().filter(poison).map(|message| message.body.as_str())
    }
}

/// The source of the trades.
enum Source {
    File(Box<Recording>),
    Made(Box<Generator>),
}

impl Source {
    fn open(recipe: &Recipe) -> anyhow::Result<Self> {
        Ok(match &recipe.trades {
            Trades::File(path) => {
                let recording = Recording::open(path).context("open the recording")?;
                let (symbols, named) = (recipe.symbols.clone(), recipe.symbols.clone());
                let wanted = Wanted { symbols, named, is_strict: recipe.is_strict };
                Self::File(Box::new(recording.wanting(wanted)))
            }
            Trades::Generate { count, seed } => {
                let symbol = recipe.symbols.first().unwrap_or(&recipe.default_symbol).clone();
                let made = Generator::new(symbol, *count, seed.unwrap_or(recipe.seed));
                Self::Made(Box::new(match recipe.start {
                    Some(start) => made.starting(start),
                    None => made,
                }))
            }
        })
    }

    fn next(&mut self) -> anyhow::Result<Option<Recorded>> {
        match self {
            Self::File(recording) => recording.next().transpose().context("read the recording"),
            Self::Made(made) => {
                let recorded = |trade| Recorded { frame: Generator::frame(&trade), trade };
                Ok(made.next().map(recorded))
            }
        }
    }

    /// The trade that came last can't be one.
    fn refuse(&mut self, why: &str) -> anyhow::Result<()> {
        match self {
            Self::File(recording) => recording.refuse(why).context("read the recording"),
            Self::Made(_) => bail!("{why}"),
        }
    }

    fn counts(&self) -> Option<Counts> {
        let Self::File(recording) = self else { return None };
        let counts = recording.counts();
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        Some(counts.clone())
    }
}

fn trades_message(batch: message::Batch) -> Message {
    let body = message::encode(&batch);
    let ids = batch.trades.iter().map(|trade| trade.id).collect();
    Message { body, content: Content::Trades { symbol: batch.symbol, ids } }
}

/// Puts poison of every kind at random places; each body is unlike every other, so that it can be told.
fn insert_poison(messages: &mut Vec<Message>, recipe: &Recipe) {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    for n in 0..recipe.poison {
        let body = match n % 5 {
            0 => format!("poison {n}: not JSON"),
            1 => format!(r#"{{"v":99,"symbol":"BTCUSDT","trades":[],"poison":{n}}}"#),
            2 => format!(r#"{{"v":1,"symbol":"UNKNOWN{n}","trades":[[1,1,"1","1",0]]}}"#),
            3 => format!(
                r#"{{"v":1,"symbol":"{}","trades":[[{n},1,"-1","1",0]]}}"#,
                recipe.default_symbol
            ),
            _ => format!(r#"{{"v":1,"poison":{n}}}"#),
        };
        let place = rng.random_range(0..=messages.len());
        messages.insert(place, Message { body, content: Content::Poison });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(poison: u32) -> Recipe {
        Recipe {
            trades: Trades::Generate { count: 1_000, seed: Some(1) },
            symbols: Vec::new(),
            default_symbol: "BTCUSDT".parse().unwrap(),
            limits: BatchLimits { max_trades: 100, max_bytes: 100_000 },
            poison,
            seed: 5,
            start: None,
            is_strict: false,
        }
    }

    #[test]
    fn every_poison_is_poison_and_every_trade_is_in_a_message() {
        let workload = Workload::prepare(&recipe(11)).unwrap();
        assert_eq!((workload.unique, workload.frames.len()), (1_000, 1_000));
        assert_eq!(workload.messages.len(), 10 + 11);
        for message in &workload.messages {
            let decoded = message::decode(message.body.as_bytes(), &workload.symbols);
            assert_eq!(decoded.is_err(), matches!(message.content, Content::Poison), "{message:?}");
        }
        let distinct: BTreeSet<_> = workload.poison().collect();
        assert_eq!(distinct.len(), 11);
    }
}
