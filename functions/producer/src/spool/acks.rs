//! The acknowledgements of each target, in a small text file that is replaced as a whole.
//!
//! ```text
//! twincloud spool acks 1
//! next 124
//! doubted 80-89
//! born aws=1732561200000-00c0ffee gcp=-
//! aws 90-123
//! gcp 90-110,112
//! crc32c 8f3a21b0
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use candle::IdRanges;

use super::{SpoolError, segment};

const TITLE: &str = "twincloud spool acks 1";

/// The acknowledgements of the messages that are in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acks {
    next: u64,
    by_target: BTreeMap<String, IdRanges>,
    /// Messages whose only acknowledgements were revoked, and that no target has acknowledged since.
    doubted: IdRanges,
    /// Incarnation ids by cloud; [`NONE`]: the cloud has none.
    incarnations: BTreeMap<String, String>,
}

const NONE: &str = "-";

/// Result of comparing an incarnation id with the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// The cloud had no record.
    First,
    /// The id is unchanged.
    Same,
    /// The id changed.
    Other,
}

/// The messages that at least one target has acknowledged.
pub(super) struct Accepted(IdRanges);

impl Acks {
    /// Reads the file. A missing one is empty; so is one that can't be parsed (`true`), since publishing a message again does
    /// no harm, and wrongly taking it for accepted would.
    pub(super) fn load(dir: &Path) -> Result<(Self, bool), SpoolError> {
        let path = dir.join("acks");
        match fs::read(&path) {
            Ok(bytes) => {
                let acks = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
                Ok((acks.clone().unwrap_or_default(), acks.is_none()))
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok((Self::default(), false)),
            Err(cause) => Err(SpoolError::io("read", &path)(cause)),
        }
    }

    /// Replaces the file. Without `sync` a loss of power may restore an earlier one, which is as good.
    pub(super) fn save(&self, dir: &Path, sync: bool) -> Result<(), SpoolError> {
        let (path, new) = (dir.join("acks"), dir.join("acks.new"));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(self.text().as_bytes())?;
            if sync { file.sync_data() } else { Ok(()) }
        };
        write().map_err(SpoolError::write(&new, 0))?;
        fs::rename(&new, &path).map_err(SpoolError::io("rename to", &path))?;
        if sync { segment::sync_dir(dir) } else { Ok(()) }
    }

    fn text(&self) -> String {
        let mut text = format!("{TITLE}\nnext {}\ndoubted {}\n", self.next, self.doubted);
        if !self.incarnations.is_empty() {
            let incarnations =
                self.incarnations.iter().map(|(cloud, mark)| format!(" {cloud}={mark}"));
            let _ = writeln!(text, "born{}", incarnations.collect::<String>());
        }
        for (target, acked) in &self.by_target {
            if !acked.is_empty() {
                // Writing to a String can't fail.
                let _ = writeln!(text, "{target} {acked}");
            }
        }
        let checksum = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "crc32c {checksum:08x}");
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (content, checksum) = text.rsplit_once("crc32c ")?;
        let checksum = u32::from_str_radix(checksum.strip_suffix('\n')?, 16).ok()?;
        let mut lines = content.lines().peekable();
        if checksum != crc32c::crc32c(content.as_bytes()) || lines.next()? != TITLE {
            return None;
        }
        let next = lines.next()?.strip_prefix("next ")?.parse().ok()?;
        let doubted = parse_ranges(lines.next()?.strip_prefix("doubted ")?)?;
        let born = lines.next_if(|line| line.starts_with("born "));
        let incarnations = born.into_iter().flat_map(|line| line.split(' ').skip(1)).map(|birth| {
            let (cloud, mark) = birth.split_once('=')?;
            Some((cloud.to_owned(), mark.to_owned()))
        });
        let incarnations = incarnations.collect::<Option<_>>()?;
        let mut by_target = BTreeMap::new();
        for line in lines {
            let (target, ranges) = line.rsplit_once(' ')?;
            by_target.insert(target.to_owned(), parse_ranges(ranges)?);
        }
        Some(Self { next, by_target, doubted, incarnations })
    }

    /// The lowest sequence number that was not given yet, as far as the file knows.
    pub(super) fn next(&self) -> u64 {
        let all = self.by_target.values().chain([&self.doubted]);
        let last = all.filter_map(IdRanges::last).max();
        self.next.max(last.map_or(0, |last| last.saturating_add(1)))
    }

    pub(super) fn set_next(&mut self, next: u64) {
        self.next = next;
    }

    pub(super) fn add(&mut self, target: &str, sequence: u64) {
        if let Some(acked) = self.by_target.get_mut(target) {
            acked.insert(sequence);
        } else {
            self.by_target.insert(target.to_owned(), IdRanges::from_iter([sequence]));
        }
        if self.doubted.contains(sequence) {
            self.doubted = self.doubted.difference(&IdRanges::from_iter([sequence]));
        }
    }

    /// Revokes the acknowledgements that `target` alone gave; returns true if there are any.
    pub(super) fn revoke_acks(&mut self, target: &str) -> bool {
        let Some(acked) = self.by_target.get(target) else { return false };
        let others = self.by_target.iter().filter(|(name, _)| *name != target);
        let alone = others.fold(acked.clone(), |alone, (_, acked)| alone.difference(acked));
        let kept = acked.difference(&alone);
        self.by_target.insert(target.to_owned(), kept);
        self.doubted = self.doubted.union(&alone);
        !alone.is_empty()
    }

    /// Records a cloud's incarnation id. The first id of a cloud that had none counts as a change, too: the cloud seen without
    /// an id may have been an earlier one.
    pub(super) fn note_incarnation(&mut self, cloud: &str, mark: Option<&str>) -> Noted {
        // Whitespace would break the line's format.
        let mark = mark.unwrap_or(NONE).replace(char::is_whitespace, "_");
        match self.incarnations.insert(cloud.to_owned(), mark.clone()) {
            None => Noted::First,
            Some(before) if before == mark => Noted::Same,
            Some(_) => Noted::Other,
        }
    }

    /// True if any target has ever acknowledged the message.
    pub(super) fn was_accepted(&self, sequence: u64) -> bool {
        self.doubted.contains(sequence) || self.is_accepted(sequence)
    }

    pub(super) fn has(&self, target: &str, sequence: u64) -> bool {
        self.by_target.get(target).is_some_and(|acked| acked.contains(sequence))
    }

    pub(super) fn is_accepted(&self, sequence: u64) -> bool {
        self.by_target.values().any(|acked| acked.contains(sequence))
    }

    /// The first number from `sequence` on that `target` has not acknowledged.
    pub(super) fn behind(&self, target: &str, sequence: u64) -> u64 {
        self.by_target.get(target).map_or(sequence, |acked| behind(acked, sequence))
    }

    /// The first number from `sequence` on that no target has acknowledged.
    pub(super) fn behind_any(&self, mut sequence: u64) -> u64 {
        loop {
            let all = self.by_target.values().map(|acked| behind(acked, sequence));
            match all.max() {
                Some(next) if next > sequence => sequence = next,
                _ => return sequence,
            }
        }
    }

    /// True if there are `targets` and each of them has acknowledged all of `records`.
    pub(super) fn all_have(&self, targets: &[String], records: &Range<u64>) -> bool {
        let has = |target| self.by_target.get(target).is_some_and(|acked| holds(acked, records));
        !targets.is_empty() && targets.iter().all(has)
    }

    pub(super) fn accepted(&self) -> Accepted {
        let all = self.by_target.values().fold(IdRanges::new(), |all, acked| all.union(acked));
        Accepted(all)
    }

    /// Drops numbers that are no longer in the spool.
    pub(super) fn forget_below(&mut self, floor: u64) {
        let Some(last) = floor.checked_sub(1) else { return };
        let below = IdRanges::from_iter([0..=last]);
        for acked in self.by_target.values_mut().chain([&mut self.doubted]) {
            if acked.first().is_some_and(|first| first < floor) {
                *acked = acked.difference(&below);
            }
        }
    }
}

impl Accepted {
    pub(super) fn holds(&self, records: &Range<u64>) -> bool {
        holds(&self.0, records)
    }

    /// Number of accepted messages from `first` to before `end`.
    pub(super) fn count_within(&self, first: u64, end: u64) -> u64 {
        let overlap = |range: std::ops::RangeInclusive<u64>| {
            end.min(range.end().saturating_add(1)).saturating_sub(first.max(*range.start()))
        };
        self.0.ranges().map(overlap).sum()
    }
}

fn behind(acked: &IdRanges, sequence: u64) -> u64 {
    let range = acked.ranges().find(|range| *range.end() >= sequence);
    match range {
        Some(range) if *range.start() <= sequence => range.end().saturating_add(1),
        _ => sequence,
    }
}

/// Parses the text form of [`IdRanges`].
fn parse_ranges(text: &str) -> Option<IdRanges> {
    let ranges = text.split(',').filter(|range| !range.is_empty()).map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u64>().ok()?..=last.parse().ok()?)
    });
    ranges.collect()
}

fn holds(acked: &IdRanges, records: &Range<u64>) -> bool {
    records.is_empty() || acked.contains_range(records.start..=records.end.saturating_sub(1))
}
