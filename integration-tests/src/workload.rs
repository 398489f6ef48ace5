//! What a run sends: trades from a recording or the generator, packed into messages, with poison between them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use args::Trades;
use candle::message;
use candle::{Symbol, Symbols};
use producer::{BatchLimits, Batcher, Generator, Recorded, Recording, SourceTrade, Start};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Everything that will be published, in order.
#[derive(Debug)]
pub struct Workload {
    /// The symbols in it.
    pub symbols: Symbols,
    /// The messages.
    pub messages: Vec<Message>,
    /// The frame of each trade word for word, duplicates too, in the order of the source.
    pub frames: Vec<String>,
    /// Distinct trades.
    pub unique: usize,
}

/// One message to publish.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is published.
    pub body: String,
    /// What is in it.
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

/// What is in a message.
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

/// What a workload is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where trades come from; a generator has its seed here.
    pub trades: Trades,
    /// Symbols to take from a recording; empty: all.
    pub symbols: Vec<Symbol>,
    /// What the generator makes trades of.
    pub default_symbol: Symbol,
    /// Bounds of a message.
    pub limits: BatchLimits,
    /// Messages that can't be decoded.
    pub poison: u32,
    /// Of the poison's places.
    pub seed: u64,
    /// Where made up trades begin; `None`: where they always do.
    pub start: Option<Start>,
}

impl Workload {
    /// Reads or makes the trades and packs them.
    pub fn prepare(recipe: &Recipe) -> anyhow::Result<Self> {
        let mut seen: BTreeMap<(Symbol, u64), Recorded> = BTreeMap::new();
        let mut symbols = BTreeSet::new();
        let mut batcher = Batcher::new(recipe.limits);
        let mut messages = Vec::new();
        let mut frames = Vec::new();
        for recorded in source(recipe)? {
            let recorded = recorded?;
            let SourceTrade { symbol, trade } = recorded.trade.clone();
            if !recipe.symbols.is_empty() && !recipe.symbols.contains(&symbol) {
                continue;
            }
            frames.push(recorded.frame.clone());
            let first = seen.entry((symbol.clone(), trade.id)).or_insert_with(|| recorded.clone());
            if first.trade != recorded.trade {
                let (id, first, second) = (trade.id, &first.frame, &recorded.frame);
                bail!(
                    "trade {id} of {symbol} is there twice and differs; an id names one trade: {first} and {second}"
                );
            }
            messages.extend(batcher.push(&symbol, trade));
            symbols.insert(symbol);
        }
        messages.extend(batcher.finish());
        if messages.is_empty() {
            bail!("there is no trade in {} of the symbols asked for", recipe.trades);
        }
        let mut messages: Vec<Message> = messages.into_iter().map(trades_message).collect();
        insert_poison(&mut messages, recipe);
        Ok(Self { symbols: Symbols::new(symbols), messages, frames, unique: seen.len() })
    }

    /// Poison messages in it.
    pub fn poison(&self) -> impl Iterator<Item = &str> {
        let poison = |message: &&Message| matches!(message.content, Content::Poison);
        self.messages.iter().filter(poison).map(|message| message.body.as_str())
    }
}

type Source = Box<dyn Iterator<Item = anyhow::Result<Recorded>>>;

fn source(recipe: &Recipe) -> anyhow::Result<Source> {
    Ok(match &recipe.trades {
        Trades::File(path) => {
            let recording = Recording::open(path).context("open the recording")?;
            Box::new(recording.map(|trade| trade.context("read the recording")))
        }
        Trades::Generate { count, seed } => {
            let symbol = recipe.symbols.first().unwrap_or(&recipe.default_symbol).clone();
            let mut made = Generator::new(symbol, *count, seed.unwrap_or(recipe.seed));
            if let Some(start) = recipe.start {
                made = made.starting(start);
            }
            Box::new(made.map(|trade| Ok(Recorded { frame: Generator::frame(&trade), trade })))
        }
    })
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
