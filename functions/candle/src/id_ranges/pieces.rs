//! A large set of ids, cut into pieces of bounded size.
//!
//! **The cuts** follow from the set alone. Beginning with the least window that holds the whole set, a window whose ids take more
//! than [`PIECE_MAX_BYTES`] is halved, and so on; windows without ids are left out. A window is `2^bits` ids that begin at a
//! multiple of their number, so another id changes only the piece that it lies in, except for the rare one that is halved, or
//! that merges with its sibling.
//!
//! **A piece** is the shorter of two forms, the first of them if they are equally long:
//!
//! | first byte | the rest |
//! |---|---|
//! | 0 | the ranges as in [`IdRanges::to_bytes`], counted from the window's first id |
//! | 1 | a variable-length number, how many groups of 8 ids are skipped, and then a bit for each id, the low ones first, from the first byte that is not zero to the last |

use std::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{IdRanges, is_next, len};
use crate::varint;

/// The most bytes of a piece: a bit for each of 2^19 ids, and the bytes before them.
pub const PIECE_MAX_BYTES: usize = (1 << 16) + 16;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 16;
const RANGES: u8 = 0;
const BITS: u8 = 1;

type Range = (u64, u64);

/// A window of `2^bits` ids, the first of which is a multiple of that.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Window {
    first: u64,
    bits: u8,
}

impl Window {
    /// The least window that holds both.
    fn around(first: u64, last: u64) -> Self {
        // At most 64.
        let bits = u8::try_from(64 - (first ^ last).leading_zeros()).unwrap_or(64);
        Self { first: first & !mask(bits), bits }
    }

    fn last(self) -> u64 {
        self.first | mask(self.bits)
    }

    fn halves(self) -> [Self; 2] {
        let bits = self.bits.saturating_sub(1);
        let [left, right] = [self.first, self.first | (mask(self.bits) & !mask(bits))];
        [Self { first: left, bits }, Self { first: right, bits }]
    }

    /// The part of sorted `ranges` that overlaps the window.
    fn of(self, ranges: &[Range]) -> &[Range] {
        let from = ranges.partition_point(|range| range.1 < self.first);
        let to = ranges.partition_point(|range| range.0 <= self.last());
        &ranges[from..to.max(from)]
    }

    /// Their parts in the window, counted from its first id.
    fn offsets(self, ranges: &[Range]) -> impl Iterator<Item = Range> + Clone {
        let (first, last) = (self.first, self.last());
        ranges.iter().map(move |range| (range.0.max(first) - first, range.1.min(last) - first))
    }
}

/// The lowest bits, of 64 at most.
fn mask(bits: u8) -> u64 {
    u64::MAX.checked_shr(64 - u32::from(bits)).unwrap_or(0)
}

/// A piece of a set of ids.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    entry: Entry,
    bytes: Vec<u8>,
}

impl Piece {
    /// The first id of its window, which names it among the pieces of its set.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.entry.window.first
    }

    /// The encoded ids.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// [`Self::bytes`], taken out of the piece.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({:?}, {} bytes)", self.entry, self.bytes.len())
    }
}

/// A piece in a list: its window and its digest.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    window: Window,
    digest: [u8; DIGEST_BYTES],
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+2^{}", self.window.first, self.window.bits)
    }
}

/// The pieces of a set by name and digest, in order. It tells a reader if each piece is of the same write, and a writer which
/// pieces are stored already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PieceList {
    entries: Vec<Entry>,
}

/// The reason why bytes are not the pieces of a set of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PieceError {
    /// The list of pieces is malformed.
    #[error(
        "entry {index} of the list of pieces is not a window behind those before it and a digest"
    )]
    List {
        /// The entry, counted from 0.
        index: usize,
    },
    /// The piece is missing, or its digest differs: it may be of another write.
    #[error("the piece at {first} is missing, or not the one that the list names")]
    Torn {
        /// Its first id.
        first: u64,
    },
    /// The piece matches its digest, but is malformed.
    #[error("the piece at {first} is not ids of its window in their shortest form")]
    Form {
        /// Its first id.
        first: u64,
    },
}

impl IdRanges {
    /// The set in pieces; none if it is empty.
    #[must_use]
    pub fn to_pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if let (Some(first), Some(last)) = (self.first(), self.last()) {
            cut(&self.ranges, Window::around(first, last), &mut pieces);
        }
        pieces
    }

    /// Decodes the result of [`Self::to_pieces`]: the list, and each of its pieces by name.
    pub fn from_pieces<'p>(
        list: &PieceList,
        mut piece: impl FnMut(u64) -> Option<&'p [u8]>,
    ) -> Result<Self, PieceError> {
        let mut all = Vec::with_capacity(list.entries.len());
        for entry in &list.entries {
            let first = entry.window.first;
            let bytes = piece(first).filter(|bytes| digest(bytes) == entry.digest);
            all.push((entry.window, bytes.ok_or(PieceError::Torn { first })?));
        }
        // Allocated once, since growing doubles: the set may have millions of ranges.
        let ranges = all.iter().map(|(_, bytes)| ranges_in(bytes)).sum();
        let mut set = Self { ranges: Vec::with_capacity(ranges), count: 0 };
        for (window, bytes) in all {
            read(window, bytes, &mut set).ok_or(PieceError::Form { first: window.first })?;
        }
        Ok(set)
    }

    /// Adds a range that lies beyond the greatest id, and may be adjacent to it.
    fn push_or_join(&mut self, first: u64, last: u64) {
        match self.ranges.last_mut() {
            Some(range) if is_next(range.1, first) => range.1 = last,
            _ => self.ranges.push((first, last)),
        }
        self.count = self.count.saturating_add(len(&(first, last)));
    }
}

impl PieceList {
    /// The list of these pieces of one set.
    #[must_use]
    pub fn of(pieces: &[Piece]) -> Self {
        Self { entries: pieces.iter().map(|piece| piece.entry).collect() }
    }

    /// True if the list has this piece with this content.
    #[must_use]
    pub fn has(&self, piece: &Piece) -> bool {
        let first = piece.first();
        let at = self.entries.binary_search_by_key(&first, |entry| entry.window.first);
        at.is_ok_and(|at| self.entries[at] == piece.entry)
    }

    /// The names of the pieces.
    #[must_use]
    pub fn firsts(&self) -> impl ExactSizeIterator<Item = u64> {
        self.entries.iter().map(|entry| entry.window.first)
    }

    /// The number of pieces.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if the list has no piece.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The list as bytes: for each piece the number of ids between the window before it and its own (a variable-length number),
    /// the window's bits (a byte), and the digest (the first 16 bytes of the SHA-256 of the piece).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut lowest = 0;
        for Entry { window, digest } in &self.entries {
            varint::push(&mut bytes, window.first - lowest);
            bytes.push(window.bits);
            bytes.extend(digest);
            lowest = window.last().saturating_add(1);
        }
        bytes
    }

    /// Decodes bytes of [`Self::to_bytes`], and no others.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, PieceError> {
        let mut list = Self::default();
        let mut lowest = Some(0_u64);
        while !bytes.is_empty() {
            let error = PieceError::List { index: list.entries.len() };
            let entry = take_entry(&mut bytes, lowest).ok_or(error)?;
            lowest = entry.window.last().checked_add(1);
            list.entries.push(entry);
        }
        Ok(list)
    }
}

fn take_entry(bytes: &mut &[u8], lowest: Option<u64>) -> Option<Entry> {
    let first = lowest?.checked_add(varint::take(bytes)?)?;
    let (&bits, rest) = bytes.split_first()?;
    let (&digest, rest) = rest.split_first_chunk()?;
    *bytes = rest;
    let is_window = bits <= 64 && first & mask(bits) == 0;
    is_window.then_some(Entry { window: Window { first, bits }, digest })
}

fn cut(ranges: &[Range], window: Window, pieces: &mut Vec<Piece>) {
    let ranges = window.of(ranges);
    if ranges.is_empty() {
        return;
    }
    match encode(ranges, window) {
        Some(bytes) => {
            pieces.push(Piece { entry: Entry { window, digest: digest(&bytes) }, bytes });
        }
        // Each half has fewer ids, and one id always fits.
        None => {
            for half in window.halves() {
                cut(ranges, half, pieces);
            }
        }
    }
}

/// Encodes the ids in the shorter form; `None` if even that is too long.
fn encode(ranges: &[Range], window: Window) -> Option<Vec<u8>> {
    let bits = bits_len(ranges, window);
    match ranges_len(ranges, window, bits.min(PIECE_MAX_BYTES)) {
        Some(len) => {
            let mut bytes = Vec::with_capacity(len);
            bytes.push(RANGES);
            super::codec::push_ranges(&mut bytes, window.offsets(ranges));
            Some(bytes)
        }
        None if bits <= PIECE_MAX_BYTES => Some(as_bits(ranges, window, bits)),
        None => None,
    }
}

/// The length of the ids as bits.
fn bits_len(ranges: &[Range], window: Window) -> usize {
    let (skipped, bytes) = bits_span(ranges, window);
    let head = 1 + varint::len(skipped);
    usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(head)
}

/// The number of bytes of zeros before the bits, and the number of bytes of the bits.
fn bits_span(ranges: &[Range], window: Window) -> (u64, u64) {
    let first = ranges.first().map_or(0, |range| range.0.max(window.first) - window.first);
    let last = ranges.last().map_or(0, |range| range.1.min(window.last()) - window.first);
    (first / 8, last / 8 - first / 8 + 1)
}

/// The length of the ids as ranges; `None`: beyond `most`.
fn ranges_len(ranges: &[Range], window: Window, most: usize) -> Option<usize> {
    let mut total = 1;
    let mut lowest = 0;
    for (first, last) in window.offsets(ranges) {
        total += varint::len(first - lowest) + varint::len(last - first);
        lowest = last.saturating_add(2);
        if total > most {
            return None;
        }
    }
    Some(total)
}

fn as_bits(ranges: &[Range], window: Window, len: usize) -> Vec<u8> {
    let (skipped, _) = bits_span(ranges, window);
    let mut bytes = Vec::with_capacity(len);
    bytes.push(BITS);
    varint::push(&mut bytes, skipped);
    let head = bytes.len();
    bytes.resize(len, 0);
    let body = &mut bytes[head..];
    // Within the body, which has at most `PIECE_MAX_BYTES`.
    let place = |offset: u64| usize::try_from(offset - skipped * 8).unwrap_or(usize::MAX);
    for (first, last) in window.offsets(ranges) {
        let (first, last) = (place(first), place(last));
        let (low, high) = (0xff_u8 << (first % 8), 0xff_u8 >> (7 - last % 8));
        if first / 8 == last / 8 {
            body[first / 8] |= low & high;
        } else {
            body[first / 8] |= low;
            body[first / 8 + 1..last / 8].fill(0xff);
            body[last / 8] |= high;
        }
    }
    bytes
}

/// Adds the ids of a piece, which lie behind those of the set; `None` if it is not exactly as [`encode`] gives it.
fn read(window: Window, bytes: &[u8], set: &mut IdRanges) -> Option<()> {
    let (&form, body) = bytes.split_first()?;
    let before = set.ranges.len();
    match form {
        RANGES => super::codec::take_ranges(body, |first, last| {
            let within = first <= last && last <= mask(window.bits);
            within.then(|| set.push_or_join(window.first + first, window.first + last))
        })?,
        BITS => read_bits(window, body, set)?,
        _ => return None,
    }
    // The range before may continue in this window.
    let ranges = window.of(&set.ranges[before.saturating_sub(1)..]);
    let bits = bits_len(ranges, window);
    let shortest = match ranges_len(ranges, window, bits.min(PIECE_MAX_BYTES)) {
        Some(len) => (RANGES, len),
        None => (BITS, bits),
    };
    let is_shortest = shortest == (form, bytes.len()) && bytes.len() <= PIECE_MAX_BYTES;
    (is_shortest && !ranges.is_empty()).then_some(())
}

fn read_bits(window: Window, mut body: &[u8], set: &mut IdRanges) -> Option<()> {
    let skipped = varint::take(&mut body)?;
    let (low, high) = (*body.first()?, *body.last()?);
    let bytes = u64::try_from(body.len()).ok()?;
    let end = skipped.checked_add(bytes)?.checked_mul(8)? - u64::from(high.leading_zeros());
    if low == 0 || high == 0 || end - 1 > mask(window.bits) {
        return None;
    }
    for_each_run(body, window.first + skipped * 8, |first, last| set.push_or_join(first, last));
    Some(())
}

/// Calls `run` for each run of ones, with its first and last position counted from `base`.
fn for_each_run(body: &[u8], base: u64, mut run: impl FnMut(u64, u64)) {
    let mut open = None;
    let mut at = base;
    for chunk in body.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        // Wrapping: behind the last possible position there may be further bits, none of which is set.
        let place = |bit: u32| at.wrapping_add(bit.into());
        let mut bit = 0;
        while bit < 64 {
            let rest = word >> bit;
            if let Some(first) = open {
                bit += rest.trailing_ones();
                if bit < 64 {
                    run(first, place(bit).wrapping_sub(1));
                    open = None;
                }
            } else if rest == 0 {
                break;
            } else {
                bit += rest.trailing_zeros();
                open = Some(place(bit));
            }
        }
        at = at.wrapping_add(64);
    }
    if let Some(first) = open {
        run(first, at.wrapping_sub(1));
    }
}

/// The number of ranges in a piece, if it is one.
fn ranges_in(bytes: &[u8]) -> usize {
    match bytes.split_first() {
        Some((&RANGES, body)) => body.iter().filter(|byte| **byte < 0x80).count() / 2,
        Some((&BITS, body)) => {
            let mut before = 0;
            let starts = body.iter().map(|&byte| {
                let starts = byte & !(byte << 1 | before);
                before = byte >> 7;
                starts.count_ones()
            });
            starts.sum::<u32>().try_into().unwrap_or(0)
        }
        _ => 0,
    }
}

fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hash[..DIGEST_BYTES]);
    digest
}
