//! The form of a candle in a store: one record, or a record and pieces of its ids beside it.

use super::{Field, RecordError, Summary};
use crate::id_ranges::{Piece, PieceError, PieceList};
use crate::{Candle, CandleKey, IdRanges};

/// The version of a record whose `ids` are a [`PieceList`].
pub const VERSION_IN_PIECES: i64 = 2;
/// The most bytes of ids that a record holds itself.
///
/// It bounds the pieces that one more trade makes of such a record, whatever its ids are. A window is halved only if its ids
/// take more than [`PIECE_MAX_BYTES`](crate::PIECE_MAX_BYTES), so there are at most two of each size, and only if
/// it has more than 2^19 ids, so there are 44 sizes beside that of the whole set: 90 pieces at the most. Three times
/// `PIECE_MAX_BYTES` would be too much.
pub const WHOLE_MAX_BYTES: usize = 190 * 1024;
/// Pieces that one write may change: with the record, what a transaction of `DynamoDB` takes. A single trade never changes as
/// many: 90 of a candle that was whole ([`WHOLE_MAX_BYTES`]), and 46 of one in pieces, where it is one piece that is halved.
pub const CHANGED_MAX_PIECES: usize = 99;
/// Bytes of the pieces that one write may change: as base64 they fit into the 4 MB of a transaction of `DynamoDB`, however
/// those are counted. A commit of Firestore takes 10 MiB.
pub const CHANGED_MAX_BYTES: usize = 2_900_000;

/// A candle to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The fields of the record itself, each with its name, always in the same order.
    pub fields: Vec<(&'static str, Field)>,
    /// The pieces stored beside it; none if the ids are in the record.
    pub pieces: Vec<Piece>,
}

impl Record {
    /// The pieces to write over those of `stored`, without the unchanged ones. `None`: more than one write takes.
    #[must_use]
    pub fn changed(&self, stored: &PieceList) -> Option<Vec<&Piece>> {
        let changed: Vec<&Piece> = self.pieces.iter().filter(|piece| !stored.has(piece)).collect();
        let bytes: usize = changed.iter().map(|piece| piece.bytes().len()).sum();
        let fits = changed.len() <= CHANGED_MAX_PIECES && bytes <= CHANGED_MAX_BYTES;
        fits.then_some(changed)
    }
}

/// A stored record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The whole candle.
    Whole(Candle),
    /// The candle without its ids.
    InPieces(Root),
}

/// A candle whose ids are in pieces that are still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub(super) summary: Summary,
    pub(super) list: PieceList,
}

impl Root {
    /// The candle's key.
    #[must_use]
    pub const fn key(&self) -> &CandleKey {
        &self.summary.candle.key
    }

    /// The list of those pieces.
    #[must_use]
    pub fn list(&self) -> &PieceList {
        &self.list
    }

    /// The candle, given each piece by its first id. [`RecordError::is_torn`] is true of the error if the pieces are not of
    /// the same write as the record, so that both must be read again.
    pub fn with<'p>(
        self,
        piece: impl FnMut(u64) -> Option<&'p [u8]>,
    ) -> Result<Candle, RecordError> {
        let ids = IdRanges::from_pieces(&self.list, piece)?;
        self.summary.with(ids)
    }
}

impl Candle {
    /// The candle in its stored form: [`Self::to_fields`] if its ids have at most [`WHOLE_MAX_BYTES`], else with
    /// [`VERSION_IN_PIECES`] as `v` and the list of the pieces as `ids`.
    #[must_use]
    pub fn to_record(&self) -> Record {
        // A range takes two bytes at the least.
        if self.ids.ranges().len() <= WHOLE_MAX_BYTES / 2 {
            let ids = self.ids.to_bytes();
            if ids.len() <= WHOLE_MAX_BYTES {
                return Record { fields: self.fields(super::VERSION, ids), pieces: Vec::new() };
            }
        }
        let pieces = self.ids.to_pieces();
        let list = PieceList::of(&pieces).to_bytes();
        Record { fields: self.fields(VERSION_IN_PIECES, list), pieces }
    }
}

impl RecordError {
    /// True if a piece is missing or of another write, as happens while the candle is being written.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        matches!(self, Self::Pieces(PieceError::Torn { .. }))
    }
}
