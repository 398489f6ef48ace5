//! Sets of trade ids, small when the ids are contiguous.

mod codec;
mod pieces;

use std::fmt;
use std::ops::RangeInclusive;

pub use codec::IdRangesError;
pub use pieces::{PIECE_MAX_BYTES, Piece, PieceError, PieceList};

/// A set of ids, kept as sorted, disjoint, non-adjacent inclusive ranges: 16 bytes a range, however
/// long the range.
///
/// Adding the id after the greatest takes constant time; adding one elsewhere takes a binary search, and moves the
/// ranges behind it if it starts or joins ranges. Two sets are equal exactly if they hold the same ids.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct IdRanges {
    ranges: Vec<(u64, u64)>,
    count: u64,
}

impl IdRanges {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new(), count: 0 }
    }

    /// Adds an id; `false` if the set has it already.
    pub fn insert(&mut self, id: u64) -> bool {
        let is_new = match self.ranges.last_mut() {
            Some((_, last)) if is_next(*last, id) => {
                *last = id;
                true
            }
            Some((_, last)) if *last >= id => self.insert_within(id),
            _ => {
                self.ranges.push((id, id));
                true
            }
        };
        self.count = self.count.saturating_add(u64::from(is_new));
        is_new
    }

    /// Adds an id that is not above the greatest.
    fn insert_within(&mut self, id: u64) -> bool {
        let at = self.ranges.partition_point(|(_, last)| *last < id);
        let joins_left = at.checked_sub(1).is_some_and(|left| is_next(self.ranges[left].1, id));
        match self.ranges.get_mut(at) {
            Some((first, _)) if *first <= id => return false,
            Some((first, _)) if is_next(id, *first) => {
                *first = id;
                if joins_left {
                    self.ranges[at].0 = self.ranges[at - 1].0;
                    self.ranges.remove(at - 1);
                }
            }
            _ if joins_left => self.ranges[at - 1].1 = id,
            _ => self.ranges.insert(at, (id, id)),
        }
        true
    }

    /// Adds every id from the range's start to its end, and returns how many were new. An empty range adds none.
    pub fn insert_range(&mut self, ids: RangeInclusive<u64>) -> u64 {
        let (mut first, mut last) = ids.into_inner();
        if first > last {
            return 0;
        }
        let from = self.ranges.partition_point(|range| range.1 < first.saturating_sub(1));
        let to = self.ranges.partition_point(|range| range.0 <= last.saturating_add(1));
        let touched = &self.ranges[from..to];
        if let (Some(left), Some(right)) = (touched.first(), touched.last()) {
            first = first.min(left.0);
            last = last.max(right.1);
        }
        let before = touched.iter().map(len).fold(0, u64::saturating_add);
        let added = len(&(first, last)) - before;
        self.ranges.splice(from..to, [(first, last)]);
        self.count = self.count.saturating_add(added);
        added
    }

    /// True if the set has the id.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.contains_range(id..=id)
    }

    /// True if the set has every id of the range; also for an empty range.
    #[must_use]
    pub fn contains_range(&self, ids: RangeInclusive<u64>) -> bool {
        let at = self.ranges.partition_point(|(_, last)| last < ids.end());
        ids.is_empty() || self.ranges.get(at).is_some_and(|(first, _)| first <= ids.start())
    }

    /// Number of ids. (If the set has all 2^64: one less.)
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// True if the set has no id.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The least id.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.ranges.first().map(|range| range.0)
    }

    /// The greatest id.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.ranges.last().map(|range| range.1)
    }

    /// The ranges, in order: neither overlapping nor adjacent.
    #[must_use]
    pub fn ranges(
        &self,
    ) -> impl ExactSizeIterator<Item = RangeInclusive<u64>> + DoubleEndedIterator {
        self.ranges.iter().map(|&(first, last)| first..=last)
    }

    /// The ranges as pairs of first and last, for JSON.
    #[must_use]
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        self.ranges.clone()
    }

    /// The holes between the ranges, in order: ids that are missing between the least and the
    /// greatest.
    #[must_use]
    pub fn gaps(&self) -> impl ExactSizeIterator<Item = RangeInclusive<u64>> + DoubleEndedIterator {
        self.ranges.windows(2).map(|pair| pair[0].1 + 1..=pair[1].0 - 1)
    }

    /// Every id that is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.add_all(other);
        all
    }

    /// Adds every id of the other set. Ranges before the other's least id are not touched, and those behind it are
    /// passed once, however many ids are added.
    pub fn add_all(&mut self, other: &Self) {
        let Some(least) = other.first() else { return };
        let from = self.ranges.partition_point(|range| range.1 < least.saturating_sub(1));
        let sum = |ranges: &[(u64, u64)]| ranges.iter().map(len).fold(0, u64::saturating_add);
        let before = self.count.saturating_sub(sum(&self.ranges[from..]));
        self.merge(from, &other.ranges);
        self.join(from);
        self.count = before.saturating_add(sum(&self.ranges[from..]));
    }

    /// Merges further ranges, which are in order, into those behind `from`: from the back, so that each moves once.
    fn merge(&mut self, from: usize, further: &[(u64, u64)]) {
        let mut ours = self.ranges.len();
        let mut at = ours + further.len();
        self.ranges.resize(at, (0, 0));
        for &next in further.iter().rev() {
            while ours > from && self.ranges[ours - 1] > next {
                (ours, at) = (ours - 1, at - 1);
                self.ranges[at] = self.ranges[ours];
            }
            at -= 1;
            self.ranges[at] = next;
        }
    }

    /// Joins those sorted ranges behind `from` that overlap or are adjacent.
    fn join(&mut self, from: usize) {
        let mut end = from;
        for at in from..self.ranges.len() {
            let (first, last) = self.ranges[at];
            if end > from && first <= self.ranges[end - 1].1.saturating_add(1) {
                self.ranges[end - 1].1 = self.ranges[end - 1].1.max(last);
            } else {
                self.ranges[end] = (first, last);
                end += 1;
            }
        }
        self.ranges.truncate(end);
    }

    /// Every id of this set that is not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self::new();
        for &(first, last) in &self.ranges {
            let from = other.ranges.partition_point(|hole| hole.1 < first);
            let mut next = Some(first);
            for hole in other.ranges[from..].iter().take_while(|hole| hole.0 <= last) {
                if let Some((start, end)) = next.zip(hole.0.checked_sub(1)) {
                    rest.insert_range(start..=end);
                }
                next = hole.1.checked_add(1);
            }
            if let Some(start) = next {
                rest.insert_range(start..=last);
            }
        }
        rest
    }

    /// Bytes that the set occupies on the heap.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<(u64, u64)>()
    }
}

/// True if `id` comes right after `last`.
const fn is_next(last: u64, id: u64) -> bool {
    matches!(last.checked_add(1), Some(next) if next == id)
}

/// Number of ids in a range.
const fn len(range: &(u64, u64)) -> u64 {
    (range.1 - range.0).saturating_add(1)
}

impl FromIterator<u64> for IdRanges {
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut set = Self::new();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

impl FromIterator<RangeInclusive<u64>> for IdRanges {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert_range(range);
        }
        set
    }
}

/// In the form `1-3,7`; the empty set is the empty text.
impl fmt::Display for IdRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for IdRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdRanges({self})")
    }
}
