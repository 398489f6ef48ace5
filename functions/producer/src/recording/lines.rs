//! Reads lines of bounded length.

use std::io::{self, BufRead};

use candle::binance::MAX_BYTES;

/// The result of reading one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line with its line end.
    Whole,
    /// The last line, without a line end.
    Open,
    /// The rest of the last line, if the compressed data ends too early.
    Cut,
    /// A line above the bound, which was skipped.
    TooLong {
        /// Its number of bytes.
        len: usize,
    },
    /// The end of the part.
    End,
}

/// Reads lines, and holds at most one of the greatest length.
pub(super) struct LineReader {
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
}

impl LineReader {
    pub(super) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self { reader, line: Vec::with_capacity(512) }
    }

    /// The latest line, without its line end.
    pub(super) fn text(&self) -> &[u8] {
        &self.line
    }

    /// Reads the next line.
    pub(super) fn next(&mut self) -> io::Result<Line> {
        self.line.clear();
        let mut len = 0_usize;
        loop {
            let piece = match self.reader.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Line::Cut),
                Err(error) => return Err(error),
            };
            if piece.is_empty() {
                return Ok(match len {
                    0 => Line::End,
                    len if len > MAX_BYTES => Line::TooLong { len },
                    _ => Line::Open,
                });
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(piece.len());
            len = len.saturating_add(taken);
            if len <= MAX_BYTES {
                self.line.extend_from_slice(&piece[..taken]);
            } else {
                self.line.clear();
            }
            self.reader.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(if len > MAX_BYTES { Line::TooLong { len } } else { Line::Whole });
            }
        }
    }
}
