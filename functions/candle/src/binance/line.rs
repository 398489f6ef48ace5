//! The lines of a recording.

use super::judge::{RowSymbol, judge};
use super::table::{self, Columns, Header};
use super::{Found, FrameError, Kind, json};
use crate::{Symbol, SymbolError};

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The most bytes of a timestamp that a recorder wrote before a frame.
const STAMP_BYTES: usize = 40;

/// The symbol of the rows of a file that name none themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSymbol {
    /// This symbol.
    Known(Symbol),
    /// A symbol that no deployment can trade.
    Foreign,
    /// Unknown.
    Unknown,
}

impl FileSymbol {
    /// The symbol in the name of the file, such as `BTCUSDT-trades-2024-08-08.csv`; else the requested one, if it is the
    /// only one.
    #[must_use]
    pub fn find(file_name: &str, asked: &[Symbol]) -> Self {
        let named = file_name.split_once('-').filter(|(_, rest)| {
            rest.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("trades"))
        });
        match (named.map(|(name, _)| Symbol::parse(&name.to_ascii_uppercase())), asked) {
            (Some(Ok(symbol)), _) => Self::Known(symbol),
            (Some(Err(SymbolError::Character { .. } | SymbolError::TooLong { .. })), _) => {
                Self::Foreign
            }
            (_, [only]) => Self::Known(only.clone()),
            _ => Self::Unknown,
        }
    }
}

/// Parses the lines of one file in order.
#[derive(Debug)]
pub struct Lines {
    symbol: FileSymbol,
    columns: Columns,
    is_begun: bool,
}

impl Lines {
    /// For a file whose rows are of this symbol.
    #[must_use]
    pub fn new(symbol: FileSymbol) -> Self {
        Self { symbol, columns: Columns::default(), is_begun: false }
    }

    /// Parses the next line, and calls `show` for its content, or for each item of a list. `is_whole` is true if the line
    /// has a line end; the last one of a file may lack it.
    pub fn read(&mut self, line: &[u8], is_whole: bool, show: &mut dyn FnMut(Found)) {
        let body = json_part(line);
        let is_first = !self.is_begun;
        self.is_begun |= !body.is_empty();
        match body {
            [] | b"[" | b"]" | b"]," => show(Found::PassedOver { kind: Kind::Blank, trade: None }),
            [b'{' | b'[', ..] => self.json(body, is_whole, show),
            _ => show(self.text(body, is_whole, is_first)),
        }
    }

    fn json(&self, body: &[u8], is_whole: bool, show: &mut dyn FnMut(Found)) {
        let (mut any_shown, mut any_other) = (false, false);
        let read = json::read(body, &mut |fields| match fields {
            Some(fields) => {
                any_shown = true;
                show(judge(fields, self.rows()));
            }
            None => any_other = true,
        });
        match read {
            Ok(_) if any_other => {
                show(Found::Refused { kind: Kind::Unknown, id: None, why: FrameError::Unknown });
            }
            Ok(_) if !any_shown => show(Found::PassedOver { kind: Kind::Answer, trade: None }),
            Ok(_) => {}
            Err(FrameError::NotJson { is_cut: true, .. }) if !is_whole => show(CUT),
            Err(why) => {
                let kind = match why {
                    FrameError::TooLarge { .. } => Kind::TooLong,
                    FrameError::NotJson { .. } => Kind::Garbage,
                    _ => Kind::Unknown,
                };
                show(Found::Refused { kind, id: None, why });
            }
        }
    }

    /// Classifies a line that does not begin as JSON.
    fn text(&mut self, body: &[u8], is_whole: bool, is_first: bool) -> Found {
        let garbage = Found::Refused { kind: Kind::Garbage, id: None, why: FrameError::Garbage };
        // A loss of power can leave zeros at the end of the file.
        if !is_whole && body.iter().all(|byte| *byte == 0) {
            return CUT;
        }
        let Ok(text) = std::str::from_utf8(body) else { return garbage };
        if text.trim_start_matches('"').starts_with(|first: char| first.is_ascii_digit()) {
            return match table::row(text, self.columns, self.rows()) {
                Found::Refused { .. } if !is_whole && table::is_cut(text) => CUT,
                found => found,
            };
        }
        match table::header(text) {
            Some(Header::Trades(columns)) => self.columns = columns,
            Some(Header::Other) if is_first => {}
            _ => return garbage,
        }
        Found::PassedOver { kind: Kind::Header, trade: None }
    }

    fn rows(&self) -> RowSymbol<'_> {
        match &self.symbol {
            FileSymbol::Known(symbol) => RowSymbol::Known(symbol),
            FileSymbol::Foreign => RowSymbol::Foreign,
            FileSymbol::Unknown => RowSymbol::Unknown,
        }
    }
}

const CUT: Found = Found::PassedOver { kind: Kind::CutShort, trade: None };

/// The text of a line without surrounding blanks, a byte order mark, the timestamp that a recorder may have written
/// before it, and the comma behind an item of a list that spans several lines.
#[must_use]
pub fn json_part(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(MARK).unwrap_or(line).trim_ascii();
    let stamp = line.iter().take(STAMP_BYTES).position(u8::is_ascii_whitespace);
    let body = stamp.and_then(|end| {
        let (stamp, rest) = line.split_at(end);
        let is_time = stamp.iter().all(|byte| byte.is_ascii_digit() || b"TZ:.+-".contains(byte));
        Some(rest.trim_ascii_start()).filter(|rest| is_time && matches!(rest, [b'{' | b'[', ..]))
    });
    let body = body.unwrap_or(line);
    match body {
        [b'{', .., b'}', b','] => &body[..body.len() - 1],
        _ => body,
    }
}
