//! Encodings of a set of ids: bytes for storage, pairs for JSON.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::IdRanges;
use crate::varint;

/// The reason why bytes are not a set of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdRangesError {
    /// A number is cut short, is above 64 bits or takes more bytes than it needs.
    #[error("range {index} of the ids is not two whole numbers in their shortest form")]
    Varint {
        /// The range, counted from 0.
        index: usize,
    },
    /// A range reaches beyond 64 bits.
    #[error("range {index} of the ids reaches beyond 64 bits")]
    Overflow {
        /// The range, counted from 0.
        index: usize,
    },
}

impl IdRanges {
    /// The set as bytes: for each range two variable-length numbers, how many ids are skipped and how many follow.
    ///
    /// The first range skips from 0. Every later one skips at least one id, and each one holds at least one, so both
    /// numbers are written less one there; overlapping, adjacent and empty ranges thus have no encoding, and every
    /// set has exactly one.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_ranges(&mut bytes, self.ranges.iter().copied());
        bytes
    }

    /// Decodes bytes of [`Self::to_bytes`], and no others: accepted bytes are encoded again identically.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, IdRangesError> {
        let mut set = Self::new();
        let mut lowest = Some(0_u64);
        while !bytes.is_empty() {
            let index = set.ranges.len();
            let mut number = || varint::take(&mut bytes).ok_or(IdRangesError::Varint { index });
            let (skipped, more) = (number()?, number()?);
            let range = behind(lowest, skipped, more);
            let (first, last) = range.ok_or(IdRangesError::Overflow { index })?;
            lowest = last.checked_add(2);
            set.push_range(first, last);
        }
        Ok(set)
    }

    /// Adds a range that lies beyond the greatest id and is not adjacent to it.
    fn push_range(&mut self, first: u64, last: u64) {
        self.ranges.push((first, last));
        self.count = self.count.saturating_add(super::len(&(first, last)));
    }
}

/// Appends sorted ranges that neither overlap nor are adjacent.
pub(super) fn push_ranges(bytes: &mut Vec<u8>, ranges: impl Iterator<Item = (u64, u64)>) {
    let mut lowest = 0;
    for (first, last) in ranges {
        varint::push(bytes, first - lowest);
        varint::push(bytes, last - first);
        lowest = last.saturating_add(2);
    }
}

/// Calls `range` for each range that [`push_ranges`] appended; `None` if the bytes have another form, or once `range`
/// returns it.
pub(super) fn take_ranges(
    mut bytes: &[u8],
    mut range: impl FnMut(u64, u64) -> Option<()>,
) -> Option<()> {
    let mut lowest = Some(0_u64);
    while !bytes.is_empty() {
        let (skipped, more) = (varint::take(&mut bytes)?, varint::take(&mut bytes)?);
        let (first, last) = behind(lowest, skipped, more)?;
        lowest = last.checked_add(2);
        range(first, last)?;
    }
    Some(())
}

/// The range that skips `skipped` ids from `lowest` on and has `more` ids behind its first.
fn behind(lowest: Option<u64>, skipped: u64, more: u64) -> Option<(u64, u64)> {
    let first = lowest?.checked_add(skipped)?;
    Some((first, first.checked_add(more)?))
}

/// As `[[first,last],..]`.
impl Serialize for IdRanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.ranges.serialize(serializer)
    }
}

/// From `[[first,last],..]`: sorted, neither overlapping nor adjacent.
impl<'de> Deserialize<'de> for IdRanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = IdRanges;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sorted pairs of first and last id, neither overlapping nor adjacent")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<IdRanges, A::Error> {
        let mut set = IdRanges::new();
        while let Some((first, last)) = pairs.next_element::<(u64, u64)>()? {
            let is_beyond = set
                .last()
                .is_none_or(|end| end.checked_add(2).is_some_and(|lowest| lowest <= first));
            if first > last || !is_beyond {
                return Err(A::Error::custom(format_args!(
                    "ids {first} to {last} are empty, out of order or not apart"
                )));
            }
            set.push_range(first, last);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_ids_take_a_few_bytes() {
        let ids: IdRanges = [3_735_683_259..=3_735_684_133].into_iter().collect();
        assert_eq!(ids.to_bytes(), [0xbb, 0x81, 0xa8, 0xf5, 0x0d, 0xea, 0x06]);
        assert_eq!(IdRanges::from_bytes(&ids.to_bytes()), Ok(ids));
        assert_eq!(IdRanges::from_bytes(&[]), Ok(IdRanges::new()));
    }

    #[test]
    fn other_bytes_name_the_fault() {
        use IdRangesError::{Overflow, Varint};
        let top: IdRanges = [u64::MAX - 1..=u64::MAX].into_iter().collect();
        let with = |tail: &[u8]| IdRanges::from_bytes(&[top.to_bytes().as_slice(), tail].concat());
        assert_eq!(with(&[]), Ok(top.clone()));
        assert_eq!(with(&[0, 0]), Err(Overflow { index: 1 }));
        assert_eq!(with(&[0]), Err(Varint { index: 1 }));
        assert_eq!(IdRanges::from_bytes(&[0x80, 0x00, 0x00]), Err(Varint { index: 0 }));
        let mut beyond = Vec::new();
        varint::push(&mut beyond, 1);
        varint::push(&mut beyond, u64::MAX);
        assert_eq!(IdRanges::from_bytes(&beyond), Err(Overflow { index: 0 }));
    }

    #[test]
    fn json_is_pairs() {
        let ids: IdRanges = [1, 2, 3, 7].into_iter().collect();
        let json = serde_json::to_string(&ids).unwrap();
        assert_eq!(json, "[[1,3],[7,7]]");
        assert_eq!(serde_json::from_str::<IdRanges>(&json).unwrap(), ids);
        for bad in [
            "[[3,1]]",
            "[[1,3],[4,5]]",
            "[[1,3],[2,5]]",
            "[[7,7],[1,3]]",
            "[[1]]",
            "[[0,18446744073709551615],[0,0]]",
        ] {
            assert!(serde_json::from_str::<IdRanges>(bad).is_err(), "{bad}");
        }
    }
}
