//! A segment: records one after the other, in a file named after the first one's sequence number.
//!
//! ```text
//! length u32 | CRC-32C u32 | sequence u64 | time u64 | body
//! ```
//!
//! Little-endian. The checksum is of all else in the record. There is no header: nothing but records can be torn.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::SpoolError;

/// A message in a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// When it was appended, since the epoch.
    pub time_ms: u64,
    /// The message.
    pub body: String,
}

/// The most bytes of a message.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 24;
/// The version is in the name.
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
    /// Behind the good records there is something else.
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

    /// Deletes the file; one that is gone already is no error. A damaged one is put aside for a person to see.
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

    /// Reads a file as far as its records are good; also what comes then, and how many bytes the file has.
    pub(super) fn scan(path: PathBuf, first: u64) -> Result<(Self, Found, u64), SpoolError> {
        let mut segment = Self::empty(path, first);
        let failed = SpoolError::io("read", &segment.path);
        let opened = File::open(&segment.path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (file_bytes, file) = opened.map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        loop {
            let found = read(&mut reader, segment.end());
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

/// The sequence number in the name of a segment; `None`: it is another file.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let first = number.parse().ok()?;
    (number.len() == 20 && first > 0).then_some(first)
}

/// Writes a record. `body` has at most [`BODY_BYTES_MAX`].
pub(super) fn encode(sequence: u64, time_ms: u64, body: &str) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    record.extend(length);
    record.extend([0; 4]);
    record.extend(sequence.to_le_bytes());
    record.extend(time_ms.to_le_bytes());
    record.extend(body.as_bytes());
    let checksum = checksum(&record);
    record[4..8].copy_from_slice(&checksum.to_le_bytes());
    record
}

/// What stands at a place of a segment.
pub(super) enum Found {
    Record(Record),
    /// The end of the file.
    End,
    /// A record that the file ends within.
    Torn,
    /// Something else.
    Bad,
}

/// Reads the record with the number `sequence`.
pub(super) fn read(reader: &mut impl Read, sequence: u64) -> io::Result<Found> {
    let mut record = Vec::with_capacity(512);
    match fill(reader, &mut record, HEADER_BYTES)? {
        0 => return Ok(Found::End),
        HEADER_BYTES => {}
        _ => return Ok(Found::Torn),
    }
    let (length, found, time_ms) = fields(&record);
    if length > BODY_BYTES_MAX || found != sequence {
        return Ok(Found::Bad);
    }
    if fill(reader, &mut record, length)? < length {
        return Ok(Found::Torn);
    }
    if checksum(&record).to_le_bytes() != record[4..8] {
        return Ok(Found::Bad);
    }
    let body = String::from_utf8(record.split_off(HEADER_BYTES));
    Ok(body.map_or(Found::Bad, |body| Found::Record(Record { sequence, time_ms, body })))
}

/// Length, sequence and time.
fn fields(header: &[u8]) -> (usize, u64, u64) {
    let number = |from: usize, bytes: usize| {
        let bytes = header[from..from + bytes].iter().rev();
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    (usize::try_from(number(0, 4)).unwrap_or(usize::MAX), number(8, 8), number(16, 8))
}

fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..])
}

/// Adds `bytes` bytes to the buffer, fewer at the end of the file, and says how many.
fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<usize> {
    reader.take(bytes as u64).read_to_end(buffer)
}

/// Makes the names in a folder last.
pub(super) fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(SpoolError::io("sync", dir))
}
