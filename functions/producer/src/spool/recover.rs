//! What is in a spool when it is opened.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::record::Found;
use super::segment::{self, Segment};

/// What was found when a spool was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Good records.
    pub records: u64,
    /// Those of them that no target has acknowledged.
    pub unaccepted: u64,
    /// Bytes that were cut off the end: a record whose writing was cut short, which nobody was told is there.
    pub torn_bytes: u64,
    /// What can't be read and is no torn end: the disk has changed it, or lost it with the power.
    pub damaged: Vec<Damage>,
    /// The file `acks` could not be read: everything is published again.
    pub acks_unreadable: bool,
}

/// The end of a segment that can't be read. It is left as it is, and put aside as `.damaged` once what stands before
/// it is no longer needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where the first bad record starts.
    pub at: u64,
    /// How many bytes there are from there.
    pub bytes: u64,
}

/// Finds and checks every segment, in order, and cuts off what is torn. Also gives the number after the last record.
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
            // Only the last segment was being written; every other end was whole, or was cut by an earlier opening.
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
