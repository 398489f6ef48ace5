//! Trades from a recording: lines as Binance sends them or offers them for download, plain, gzip or zip.
//! `docs/recordings.md` says how each kind of line is treated.

mod counts;
mod lines;
mod open;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle::binance::{self, FileSymbol, Found, FrameError, Kind, Lines};
use candle::{Symbol, Trade};

pub use counts::{Counts, Told};
use lines::Line;
pub use open::Unreadable;
use open::{Part, Parts};

/// Symbols to name, of those not wanted, when a recording has no wanted trade.
const OTHERS_MAX: usize = 5;

/// The finding for a line, or a file, that ends too early.
const CUT: Found = Found::PassedOver { kind: Kind::CutShort, trade: None };

/// A trade from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrade {
    /// Its symbol.
    pub symbol: Symbol,
    /// The trade.
    pub trade: Trade,
}

/// A trade and its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The trade.
    pub trade: SourceTrade,
    /// The line of the recording, word for word, if it is one frame; else an equivalent frame.
    pub frame: String,
}

/// Selects the trades to read.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Trades of these symbols; empty: of all.
    pub symbols: Vec<Symbol>,
    /// The symbols that the user named; if there is only one, rows that name no symbol are of it.
    pub named: Vec<Symbol>,
    /// If set, the first line that is refused or cut short is an error.
    pub is_strict: bool,
}

/// The trades of a file, in its order; an error if it has none.
pub struct Recording {
    path: PathBuf,
    wanted: Wanted,
    parts: Parts,
    reading: Option<Reading>,
    /// Trades of the latest line that are not returned yet.
    ready: VecDeque<(Kind, Recorded)>,
    /// The form of the latest returned trade.
    last: Option<Kind>,
    counts: Arc<Mutex<Counts>>,
    others: BTreeSet<Symbol>,
    is_over: bool,
}

/// The part of the file being read: all of it, or a member of a zip.
struct Reading {
    part: Part,
    lines: Lines,
    line: u64,
    is_over: bool,
}

/// A position in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The member, if the file is a zip.
    pub member: Option<String>,
    /// The line, from 1; 0 before the first.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(member) = &self.member {
            write!(f, ":{member}")?;
        }
        write!(f, ", line {}", self.line)
    }
}

impl Recording {
    /// Opens a file; the packing is detected from its content.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Ok(Self {
            path: path.to_owned(),
            wanted: Wanted::default(),
            parts: Parts::open(path)?,
            reading: None,
            ready: VecDeque::new(),
            last: None,
            counts: Arc::default(),
            others: BTreeSet::new(),
            is_over: false,
        })
    }

    /// Restricts the reading to `wanted`; by default all trades are read.
    #[must_use]
    pub fn wanting(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// The counts of lines by kind, shared: they grow as reading goes on.
    #[must_use]
    pub fn counts(&self) -> Arc<Mutex<Counts>> {
        Arc::clone(&self.counts)
    }

    /// Counts the latest trade as refused: it contradicts another one.
    pub fn refuse(&mut self, why: &str) -> Result<(), SourceError> {
        if let Some(kind) = self.last.take() {
            self.lock().take_back(kind);
        }
        self.note(Kind::Conflict, why)
    }

    fn next_trade(&mut self) -> Result<Option<Recorded>, SourceError> {
        while !self.is_over {
            if let Some((kind, recorded)) = self.ready.pop_front() {
                self.last = Some(kind);
                return Ok(Some(recorded));
            }
            if self.reading.as_ref().is_some_and(|reading| !reading.is_over) {
                self.next_line()?;
            } else if let Some(part) = self.parts.next(&self.path)? {
                self.reading = Some(self.begin(part));
            } else {
                self.is_over = true;
                self.check_any()?;
            }
        }
        Ok(None)
    }

    fn begin(&self, part: Part) -> Reading {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let member = part.member.as_deref().and_then(|name| name.rsplit(['/', '\\']).next());
        let by_member = member.map(|name| FileSymbol::find(name, &[]));
        let symbol = by_member
            .filter(|found| *found != FileSymbol::Unknown)
            .unwrap_or_else(|| FileSymbol::find(&file, &self.wanted.named));
        Reading { part, lines: Lines::new(symbol), line: 0, is_over: false }
    }

    /// Reads the next line of this part, if there is one.
    fn next_line(&mut self) -> Result<(), SourceError> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        reading.line += 1;
        let read = match reading.part.lines.next() {
            Ok(read) => read,
            Err(cause) => return Err(SourceError::Read { place: self.place(), cause }),
        };
        reading.is_over = matches!(read, Line::End | Line::Cut);
        let mut found = Vec::new();
        let text = reading.part.lines.text();
        if !(text.is_empty() && reading.is_over) {
            let is_whole = read == Line::Whole;
            reading.lines.read(text, is_whole, &mut |one| found.push(one));
        }
        match read {
            Line::End => return Ok(()),
            Line::Cut if !found.contains(&CUT) => found.push(CUT),
            Line::TooLong { len } => {
                let why = FrameError::TooLarge { len };
                found = vec![Found::Refused { kind: Kind::TooLong, id: None, why }];
            }
            Line::Cut | Line::Whole | Line::Open => {}
        }
        self.lock().lines += 1;
        found.into_iter().try_for_each(|one| self.take(one))
    }

    fn take(&mut self, found: Found) -> Result<(), SourceError> {
        match found {
            Found::Trade { symbol, .. } if !self.is_wanted(&symbol) => {
                if self.others.len() < OTHERS_MAX {
                    self.others.insert(symbol);
                }
                self.note(Kind::OtherSymbol, "")
            }
            Found::Trade { kind, symbol, trade } => {
                let frame = self.frame(kind, &symbol, &trade);
                let trade = SourceTrade { symbol, trade };
                self.ready.push_back((kind, Recorded { trade, frame }));
                self.note(kind, "")
            }
            Found::PassedOver { kind, .. } => self.note(kind, "it breaks off"),
            Found::Refused { kind, why, .. } => self.note(kind, &why.to_string()),
        }
    }

    fn is_wanted(&self, symbol: &Symbol) -> bool {
        self.wanted.symbols.is_empty() || self.wanted.symbols.contains(symbol)
    }

    /// The line itself if it is one frame, else an encoded frame.
    fn frame(&self, kind: Kind, symbol: &Symbol, trade: &Trade) -> String {
        let line = self.reading.as_ref().map_or(&[][..], |reading| reading.part.lines.text());
        match binance::json_part(line) {
            frame @ [b'{', ..] if kind == Kind::Trade => {
                String::from_utf8_lossy(frame).into_owned()
            }
            _ => binance::encode_combined(symbol, trade, trade.time_ms),
        }
    }

    fn note(&self, kind: Kind, why: &str) -> Result<(), SourceError> {
        if !kind.is_bad() {
            self.lock().note(kind);
            return Ok(());
        }
        let (place, why) = (self.place(), why.to_owned());
        if self.wanted.is_strict {
            return Err(SourceError::Refused { place, kind, why });
        }
        let Place { member, line, .. } = place;
        self.lock().tell(Told { member, line, kind, why });
        Ok(())
    }

    /// The place of the latest line.
    fn place(&self) -> Place {
        let path = self.path.clone();
        let Some(reading) = &self.reading else { return Place { path, member: None, line: 0 } };
        Place { path, member: reading.part.member.clone(), line: reading.line }
    }

    /// Fails if the file had no wanted trade.
    fn check_any(&self) -> Result<(), SourceError> {
        let counts = self.lock().clone();
        if counts.trades() > 0 {
            return Ok(());
        }
        let names = |symbols: &mut dyn Iterator<Item = &Symbol>| {
            symbols.map(Symbol::as_str).collect::<Vec<_>>().join(", ")
        };
        let wanted = names(&mut self.wanted.symbols.iter());
        let others = names(&mut self.others.iter());
        let wanted = if wanted.is_empty() { wanted } else { format!(" of {wanted}") };
        let of = match others.as_str() {
            "" => wanted,
            others => format!("{wanted}, but there are some of {others}"),
        };
        Err(SourceError::NoTrade { path: self.path.clone(), of, counts: Box::new(counts) })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Iterator for Recording {
    type Item = Result<Recorded, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_trade();
        if next.is_err() {
            self.is_over = true;
            self.ready.clear();
        }
        next.transpose()
    }
}

/// A recording that can't be read, with the place of the failure.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file can't be opened.
    #[error("read {}: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The file is packed in an unsupported way.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: Unreadable,
    },
    /// A read failed, or the compressed data is damaged.
    #[error("read {place}: {cause}")]
    Read {
        /// The line.
        place: Place,
        /// The error of the system or of the decompression.
        cause: io::Error,
    },
    /// A line is malformed, and the input is strict.
    #[error(
        "{place}: {why} ({kind}; without --strict-input it would be counted, and the rest taken)"
    )]
    Refused {
        /// The line.
        place: Place,
        /// Its kind.
        kind: Kind,
        /// The reason.
        why: String,
    },
    /// The file has no trade to send.
    #[error("{}: there is no trade in it{of}: {counts}", path.display())]
    NoTrade {
        /// The file.
        path: PathBuf,
        /// The wanted symbols, and others that the file has trades of.
        of: String,
        /// The counts of its lines.
        counts: Box<Counts>,
    },
}

impl SourceError {
    /// True if another input or argument would help; false for an I/O error while reading.
    #[must_use]
    pub fn is_about_input(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }
}

#[cfg(test)]
mod tests;
