//! A record: a message in its format on disk.
//!
//! ```text
//! length u32 | CRC-32C u32 | sequence u64 | time u64 | body
//! ```
//!
//! Little-endian. The checksum covers all other bytes of the record.

use std::io::{self, Read};

/// A message in a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// The time of its append, since the epoch.
    pub time_ms: u64,
    /// The message.
    pub body: String,
}

/// The most bytes of a message.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 24;

/// Encodes a record. `body` has at most [`BODY_BYTES_MAX`] bytes.
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

/// Result of reading a record at a position of a segment.
pub(super) enum Found {
    Record(Record),
    /// The file ends before the record.
    End,
    /// The file ends within the record.
    Torn,
    /// Anything else, such as a wrong checksum.
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

/// Appends up to `bytes` bytes to the buffer, fewer at the end of the file; returns their number.
fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<usize> {
    reader.take(bytes as u64).read_to_end(buffer)
}
