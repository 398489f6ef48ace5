//! Reads a spool in order, while it grows at one end and is deleted at the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use super::SpoolError;
use super::record::{self, Found, HEADER_BYTES, Record};
use super::segment::Segment;

/// A position in a spool. It holds one open file and no records.
#[derive(Debug, Default)]
pub struct Cursor {
    next: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    file: File,
    /// The byte at which the record `sequence` starts.
    offset: u64,
    sequence: u64,
}

impl Cursor {
    /// A cursor before the oldest message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cursor before the message `sequence`.
    #[must_use]
    pub fn at(sequence: u64) -> Self {
        Self { next: sequence, open: None }
    }

    /// Moves on to `to`, if that is later.
    pub(super) fn skip(&mut self, to: impl FnOnce(u64) -> u64) {
        self.next = self.next.max(to(self.next));
    }

    pub(super) fn read(
        &mut self,
        segments: &VecDeque<Segment>,
    ) -> Result<Option<Record>, SpoolError> {
        // Deleted segments are skipped: all their messages are accepted.
        let at = segments.partition_point(|segment| segment.end() <= self.next);
        let Some(segment) = segments.get(at) else { return Ok(None) };
        self.next = self.next.max(segment.first);
        let mut open = match self.open.take() {
            Some(open) if open.first == segment.first && open.sequence <= self.next => open,
            _ => Open::new(segment)?,
        };
        loop {
            let record = open.read(segment)?;
            if record.sequence >= self.next {
                self.next = record.sequence + 1;
                self.open = Some(open);
                return Ok(Some(record));
            }
        }
    }
}

impl Open {
    fn new(segment: &Segment) -> Result<Self, SpoolError> {
        let file = File::open(&segment.path).map_err(SpoolError::io("open", &segment.path))?;
        Ok(Self { first: segment.first, file, offset: 0, sequence: segment.first })
    }

    fn read(&mut self, segment: &Segment) -> Result<Record, SpoolError> {
        let mut reader = At { file: &self.file, offset: self.offset };
        let found = record::read(&mut reader, self.sequence);
        let Found::Record(record) = found.map_err(SpoolError::io("read", &segment.path))? else {
            return Err(SpoolError::Damaged { path: segment.path.clone(), at: self.offset });
        };
        self.offset += (HEADER_BYTES + record.body.len()) as u64;
        self.sequence += 1;
        Ok(record)
    }
}

/// A reader with its own offset, independent of the file's.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(self.file, buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Moves the file's own offset too, which is not used.
#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
