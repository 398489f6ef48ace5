//! Recovery of a spool when it is opened.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::record::Found;
use super::segment::{self, Segment};

/// The state of a spool when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Good records.
    pub records: u64,
    /// Records that no target has acknowledged.
    pub unaccepted: u64,
    /// Bytes cut off the end: a record whose write was interrupted, so its append never returned.
    pub torn_bytes: u64,
    /// Unreadable data other than a torn end: changed by the disk, or lost with the power.
    pub damaged: Vec<Damage>,
    /// True if the file `acks` could not be read: all messages are published again.
    pub acks_unreadable: bool,
}

/// The unreadable end of a segment. It stays in place; the file is renamed to `.damaged` once the records before it
/// are no longer needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// The byte at which the first bad record starts.
    pub at: u64,
    /// Bytes from there to the end of the file.
    pub bytes: u64,
}

/// Finds and checks every segment, in order, and cuts off a torn end. Also returns the number after the last record.
pub(super) fn segments(dir: &Path) -> Result<(Vec<Segment>, u64, Recovery), SpoolError> {
    let mut recovery = Recovery::default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(SpoolError::io("list", dir))? {
        let path = entry.map_err(SpoolError::io("list", dir))?.path();
        if let Some(first) = segment::first_of(&path) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    let mut segments = Vec::with_capacity(found.len());
    let last = found.last().map_or(0, |(first, _)| *first);
    for (first, path) in found {
        let (mut segment, end, file_bytes) = Segment::scan(path, first)?;
        let (at, bytes) = (segment.bytes, file_bytes.saturating_sub(segment.bytes));
        match end {
            // Only the last segment was being written; every other one ended whole, or was cut by an earlier
            // opening.
            Found::Torn if first == last => {
                cut(&segment)?;
                recovery.torn_bytes += bytes;
            }
            Found::Torn | Found::Bad => {
                segment.is_damaged = true;
                recovery.damaged.push(Damage { path: segment.path.clone(), at, bytes });
            }
            Found::End | Found::Record(_) => {}
        }
        recovery.records += segment.count;
        segments.push(segment);
    }
    let next = segments.iter().map(Segment::end).max().unwrap_or(1);
    Ok((segments, next, recovery))
}

fn cut(segment: &Segment) -> Result<(), SpoolError> {
    let file = OpenOptions::new().write(true).open(&segment.path);
    let file = file.map_err(SpoolError::io("open", &segment.path))?;
    let cut = file.set_len(segment.bytes).and_then(|()| file.sync_all());
    cut.map_err(SpoolError::io("cut", &segment.path))
}

/// Deletes the segments without a record.
pub(super) fn remove_empty(segments: &mut VecDeque<Segment>) -> Result<(), SpoolError> {
    let (empty, kept): (VecDeque<_>, VecDeque<_>) =
        std::mem::take(segments).into_iter().partition(|segment| segment.count == 0);
    *segments = kept;
    empty.iter().try_for_each(Segment::remove)
}
