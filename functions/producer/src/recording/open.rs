//! The packing of a recording: plain, gzip or zip, detected from its content.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::SourceError;
use super::lines::LineReader;

const BUFFER_BYTES: usize = 1 << 16;
/// Bounds on decompressed data: so many times the compressed size, plus so much. Deflate can grow a
/// thousandfold; recordings grow about tenfold.
const GROWTH_MAX: u64 = 200;
const GROWTH_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// A part of a recording: the whole of it, or a member of a zip.
pub(super) struct Part {
    pub(super) member: Option<String>,
    pub(super) lines: LineReader,
}

/// The parts of a recording, in order.
pub(super) enum Parts {
    One(Option<LineReader>),
    Zip(VecDeque<Member>),
}

/// The position of a member in a zip.
pub(super) struct Member {
    name: String,
    at: u64,
    compressed_bytes: u64,
    bytes: u64,
    crc: u32,
    is_stored: bool,
}

/// The reason why a file can't be a recording.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Packed in another format.
    #[error("it is {0}, where plain text, gzip and zip can be read; unpack it")]
    Packed(&'static str),
    /// Text in UTF-16.
    #[error(
        "it is text in UTF-16, where UTF-8 can be read; `iconv -f UTF-16 -t UTF-8` makes one of the other"
    )]
    Utf16,
    /// A zip whose directory is missing or broken.
    #[error("it is a zip that can't be read: {0}; if it was cut short, fetch it again")]
    Zip(String),
    /// A member that can't be read.
    #[error("its member {name} is {what}; pack it without")]
    Member {
        /// The member.
        name: String,
        /// The reason.
        what: &'static str,
    },
}

/// Magic numbers of other formats.
const OTHERS: [(&[u8], &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"\xfd7zXZ\0", "packed by xz"),
    (b"BZh", "packed by bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PAR1", "a Parquet file"),
];

impl Parts {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |cause| SourceError::Open { path: path.to_owned(), cause };
        let unreadable = |why| SourceError::Unreadable { path: path.to_owned(), why };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let start = file.fill_buf().map_err(failed)?;
        if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(unreadable(Unreadable::Packed(what)));
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(unreadable(Unreadable::Utf16));
        }
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Ok(Self::Zip(members(file, metadata.len()).map_err(unreadable)?));
        }
        let lines: Box<dyn BufRead + Send> = if start.starts_with(b"\x1f\x8b") {
            // A pipe has no length known in advance.
            let most = if metadata.is_file() { most(metadata.len()) } else { u64::MAX };
            let bounded = Bounded { reader: MultiGzDecoder::new(file), left: most };
            Box::new(BufReader::with_capacity(BUFFER_BYTES, bounded))
        } else {
            Box::new(file)
        };
        Ok(Self::One(Some(LineReader::new(lines))))
    }

    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Part>, SourceError> {
        let member = match self {
            Self::One(lines) => return Ok(lines.take().map(|lines| Part { member: None, lines })),
            Self::Zip(members) => members.pop_front(),
        };
        let opened = member.map(|member| {
            let lines = member.open(path)?;
            Ok(Part { member: Some(member.name), lines: LineReader::new(lines) })
        });
        opened.transpose().map_err(|cause| SourceError::Open { path: path.to_owned(), cause })
    }
}

/// The files in a zip.
fn members(file: BufReader<File>, file_bytes: u64) -> Result<VecDeque<Member>, Unreadable> {
    let broken = |error: zip::result::ZipError| Unreadable::Zip(error.to_string());
    let mut archive = ZipArchive::new(file).map_err(broken)?;
    let names = archive.file_names().map(|name| name.map(Cow::into_owned));
    let names = names.collect::<Result<Vec<String>, _>>().map_err(broken)?;
    let mut members = VecDeque::new();
    let mut sum_bytes = 0_u64;
    for (index, name) in names.into_iter().enumerate() {
        let member = archive.by_index_raw(index).map_err(broken)?;
        if member.is_dir() {
            continue;
        }
        let is_stored = match member.compression() {
            _ if member.encrypted() => {
                return Err(Unreadable::Member { name, what: "encrypted" });
            }
            CompressionMethod::Stored => true,
            CompressionMethod::Deflated => false,
            _ => return Err(Unreadable::Member { name, what: "packed otherwise than by deflate" }),
        };
        let at = member.data_start().unwrap_or_default();
        let (compressed_bytes, bytes) = (member.compressed_size(), member.size());
        let crc = member.crc32();
        sum_bytes = sum_bytes.saturating_add(compressed_bytes);
        if sum_bytes > file_bytes {
            return Err(Unreadable::Zip("its members overlap".to_owned()));
        }
        members.push_back(Member { name, at, compressed_bytes, bytes, crc, is_stored });
    }
    Ok(members)
}

impl Member {
    fn open(&self, path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let raw = BufReader::with_capacity(BUFFER_BYTES, file.take(self.compressed_bytes));
        let reader =
            if self.is_stored { Raw::Stored(raw) } else { Raw::Deflated(DeflateDecoder::new(raw)) };
        let bounded = Bounded { reader, left: most(self.compressed_bytes) };
        let checked =
            Checked { reader: bounded, crc: Crc::new(), expected: self.crc, left: self.bytes };
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, checked)))
    }
}

enum Raw {
    Stored(BufReader<Take<File>>),
    Deflated(DeflateDecoder<BufReader<Take<File>>>),
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(reader) => reader.read(buffer),
            Self::Deflated(reader) => reader.read(buffer),
        }
    }
}

const fn most(compressed_bytes: u64) -> u64 {
    compressed_bytes.saturating_mul(GROWTH_MAX).saturating_add(GROWTH_FREE_BYTES)
}

/// Fails once the decompressed data exceeds a bound.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!(
                "unpacked it is over {GROWTH_MAX} times as large and {} MiB, as no recording is",
                GROWTH_FREE_BYTES >> 20
            ))
        })?;
        Ok(read)
    }
}

/// Checks a member of a zip against its recorded size and checksum.
struct Checked<R> {
    reader: R,
    crc: Crc,
    expected: u32,
    left: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged =
            || io::Error::new(io::ErrorKind::InvalidData, "the zip is damaged: fetch it again");
        let read = self.reader.read(buffer)?;
        self.crc.update(&buffer[..read]);
        self.left = self.left.checked_sub(read as u64).ok_or_else(damaged)?;
        if read == 0 && !buffer.is_empty() && (self.left > 0 || self.crc.sum() != self.expected) {
            return Err(damaged());
        }
        Ok(read)
    }
}
