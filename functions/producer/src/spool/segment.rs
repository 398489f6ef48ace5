//! A segment: a file of consecutive records, named after the first one's sequence number. It has no header, so only
//! records can be torn.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::record::{self, Found, HEADER_BYTES};

/// The extension has the format's version.
const EXTENSION: &str = "spool1";

/// A file of records with contiguous sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The sequence number of the first record.
    pub(super) first: u64,
    pub(super) count: u64,
    /// Bytes of good records.
    pub(super) bytes: u64,
    /// The latest time of a record.
    pub(super) newest_ms: u64,
    /// True if other data follows the good records.
    pub(super) is_damaged: bool,
}

impl Segment {
    pub(super) fn new(dir: &Path, first: u64) -> Self {
        Self::empty(dir.join(format!("{first:020}.{EXTENSION}")), first)
    }

    fn empty(path: PathBuf, first: u64) -> Self {
        Self { path, first, count: 0, bytes: 0, newest_ms: 0, is_damaged: false }
    }

    /// The sequence number after the last record.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    pub(super) fn grow(&mut self, bytes: u64, time_ms: u64) {
        self.count += 1;
        self.bytes += bytes;
        self.newest_ms = self.newest_ms.max(time_ms);
    }

    /// Deletes the file, if it still exists. A damaged one is renamed instead, for inspection.
    pub(super) fn remove(&self) -> Result<(), SpoolError> {
        let removed = if self.is_damaged {
            std::fs::rename(&self.path, self.path.with_extension("damaged"))
        } else {
            std::fs::remove_file(&self.path)
        };
        match removed {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(SpoolError::io("delete", &self.path)(cause))
            }
            _ => Ok(()),
        }
    }

    /// Reads a file as far as its records are good; also returns what follows, and the file's size in bytes.
    pub(super) fn scan(path: PathBuf, first: u64) -> Result<(Self, Found, u64), SpoolError> {
        let mut segment = Self::empty(path, first);
        let failed = SpoolError::io("read", &segment.path);
        let opened = File::open(&segment.path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (file_bytes, file) = opened.map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        loop {
            let found = record::read(&mut reader, segment.end());
            match found.map_err(SpoolError::io("read", &segment.path))? {
                Found::Record(record) => {
                    let bytes = (HEADER_BYTES + record.body.len()) as u64;
                    segment.grow(bytes, record.time_ms);
                }
                end => return Ok((segment, end, file_bytes)),
            }
        }
    }
}

/// The sequence number in the name of a segment; `None` for any other file.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let first = number.parse().ok()?;
    (number.len() == 20 && first > 0).then_some(first)
}

/// Syncs a folder's entries to disk. Windows has no such call; its file system's journal does the same.
pub(super) fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    if cfg!(windows) {
        return Ok(());
    }
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(SpoolError::io("sync", dir))
}
