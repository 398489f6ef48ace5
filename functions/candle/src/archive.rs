//! The archive object: trades of one symbol and one hour, immutable, named by content, compressed.
//!
//! The name is `trades/v1/BTCUSDT/2024-08-08T23/{first id}-{last id}-{hash}.jsonl.gz`, where the
//! hash is the first 16 hexadecimal digits of the SHA-256 of the content. The content, under gzip,
//! is a header line and then one row a trade, by ascending id, each id once:
//!
//! ```json
//! {"v":1,"symbol":"BTCUSDT","hour":"2024-08-08T23","count":1}
//! [3735683259,1723161255342,"61837.63000000","0.02000000",1]
//! ```
//!
//! The same trades always have the same content and name. The compressed bytes may differ from one
//! gzip library to another.

mod content;
mod digest;
mod hour;
mod name;

use std::io::{Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use thiserror::Error;

pub use digest::{NamesDigest, NamesHasher};
pub use hour::{Hour, HourError};
pub use name::{NameError, ObjectName};

use crate::row::MAX_ROW_BYTES;
use crate::{Batch, Problem, Symbol, Trade};

/// The most trades of an object; a batch with more of one hour is split into several.
pub const MAX_TRADES: usize = 10_000;

/// The most bytes of an object's content, and of the compressed object.
pub const MAX_BYTES: usize = 1024 * 1024;

const _: () = assert!(MAX_TRADES * (MAX_ROW_BYTES + "\n".len()) + 200 <= MAX_BYTES);

/// Trades of one symbol and one hour with their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveObject {
    name: ObjectName,
    trades: Vec<Trade>,
    content: String,
}

impl ArchiveObject {
    /// The objects of a batch: one for each hour, or more if an hour has more than [`MAX_TRADES`];
    /// none for an empty batch.
    ///
    /// They depend only on the set of trades. If two different trades have one id, which a decoded
    /// message never has, the lesser is kept.
    #[must_use]
    pub fn split(batch: &Batch) -> Vec<Self> {
        let mut trades = batch.trades.clone();
        trades.sort_unstable();
        trades.dedup_by_key(|trade| trade.id);
        // Stable, so that within an hour the ids still ascend.
        trades.sort_by_key(|trade| Hour::at(trade.time_ms));
        trades
            .chunk_by(|a, b| Hour::at(a.time_ms) == Hour::at(b.time_ms))
            .flat_map(|hour| hour.chunks(MAX_TRADES))
            .filter_map(|trades| Self::of(&batch.symbol, trades))
            .collect()
    }

    /// The object of trades of one hour, by ascending id. `None` if there are none.
    fn of(symbol: &Symbol, trades: &[Trade]) -> Option<Self> {
        let (first, last) = (trades.first()?, trades.last()?);
        let hour = Hour::at(first.time_ms);
        let content = content::write(symbol, hour, trades);
        let hash = content::hash(&content);
        let name =
            ObjectName { symbol: symbol.clone(), hour, first_id: first.id, last_id: last.id, hash };
        Some(Self { name, trades: trades.to_vec(), content })
    }

    /// The name; its `Display` is the key in the bucket.
    #[must_use]
    pub const fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The trades, by ascending id, each id once; at least one.
    #[must_use]
    pub fn trades(&self) -> &[Trade] {
        &self.trades
    }

    /// The content, before compression.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The trades as a batch.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        Batch { symbol: self.name.symbol, trades: self.trades }
    }

    /// The compressed object. It contains no time, file name or machine.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        const UNKNOWN_SYSTEM: u8 = 255;
        let mut gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(UNKNOWN_SYSTEM)
            .write(Vec::new(), Compression::new(6));
        // Writing to a Vec cannot fail.
        let _ = gzip.write_all(self.content.as_bytes());
        gzip.finish().unwrap_or_default()
    }

    /// Decodes an object and checks its content against its name and its header line.
    ///
    /// No more than [`MAX_BYTES`] are ever decompressed.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, ArchiveError> {
        let name: ObjectName = name.parse()?;
        let content = decompress(bytes)?;
        let found = content::hash(&content);
        if found != name.hash {
            return Err(ArchiveError::Hash { found });
        }
        let trades = content::read(&content, &name)?;
        Ok(Self { name, trades, content })
    }
}

/// Decompresses one gzip stream, within bounds.
fn decompress(bytes: &[u8]) -> Result<String, ArchiveError> {
    if bytes.len() > MAX_BYTES {
        return Err(ArchiveError::TooLarge);
    }
    let mut content = Vec::new();
    let mut gzip = GzDecoder::new(bytes).take(MAX_BYTES as u64 + 1);
    gzip.read_to_end(&mut content).map_err(|_| ArchiveError::NotGzip)?;
    if content.len() > MAX_BYTES {
        return Err(ArchiveError::TooLarge);
    }
    if !gzip.into_inner().into_inner().is_empty() {
        return Err(ArchiveError::NotGzip);
    }
    String::from_utf8(content).map_err(|_| ArchiveError::NotText)
}

/// The reason why bytes are not the archive object of that name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// The name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// More than [`MAX_BYTES`], before or after decompression.
    #[error("above {MAX_BYTES} bytes")]
    TooLarge,
    /// Not a single complete gzip stream.
    #[error("not one gzip stream")]
    NotGzip,
    /// The content is not UTF-8.
    #[error("the content is not text")]
    NotText,
    /// The content's hash differs from the name's.
    #[error("the content has hash {found:016x}, unlike the name")]
    Hash {
        /// The content's hash.
        found: u64,
    },
    /// The header line does not match the name and the rows.
    #[error("the first line does not fit the name and the rows")]
    Header,
    /// A line is not a row in its canonical form.
    #[error("line {line}: not a row as it is written")]
    NotRow {
        /// The line, counted from 1.
        line: usize,
    },
    /// A field of a trade is wrong.
    #[error("line {line}, {field}: {problem}")]
    Trade {
        /// The line, counted from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: Problem,
    },
    /// A trade is not of the name's hour.
    #[error("line {line}: a trade of another hour")]
    Hour {
        /// The line, counted from 1.
        line: usize,
    },
    /// The id is not above the one before.
    #[error("line {line}: the id is not above the one before")]
    Order {
        /// The line, counted from 1.
        line: usize,
    },
    /// The first and last ids differ from the name's, or there are no trades.
    #[error("the ids are not those of the name")]
    Ids,
    /// More than [`MAX_TRADES`].
    #[error("more than {MAX_TRADES} trades")]
    TooManyTrades,
}
