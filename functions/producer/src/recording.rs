//! Trades from a recording: Binance frames, one a line, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use candle::binance::{self, Frame, FrameError};
use candle::{Symbol, Trade};
use flate2::bufread::MultiGzDecoder;

/// A trade as it came from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrade {
    /// Its symbol.
    pub symbol: Symbol,
    /// The trade.
    pub trade: Trade,
}

/// A trade and the frame that it came in, word for word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The trade.
    pub trade: SourceTrade,
    /// The line of the recording.
    pub frame: String,
}

/// Longest line taken; Binance's frames have some 200 bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The trades of a file, in its order. Frames of other events and empty lines are passed over.
pub struct Recording {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
}

impl Recording {
    /// Opens a file; whether it is gzip is told by its content, not by its name.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |cause| SourceError::Read { path: path.to_owned(), line: 0, cause };
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        let gzip = file.fill_buf().map_err(failed)?.starts_with(&GZIP_MAGIC);
        let lines: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self { path: path.to_owned(), lines, line: 0 })
    }

    /// The line of the trade that came last, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line without its end; `None` at the end of the file.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, SourceError> {
        let mut line = Vec::with_capacity(256);
        self.line += 1;
        let read = (&mut self.lines).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        let (path, number) = (&self.path, self.line);
        match read {
            Err(cause) => Err(SourceError::Read { path: path.clone(), line: number, cause }),
            Ok(0) => Ok(None),
            Ok(bytes) if bytes as u64 > LINE_BYTES_MAX => {
                Err(SourceError::Long { path: path.clone(), line: number })
            }
            Ok(_) => Ok(Some(line.trim_ascii().to_vec())),
        }
    }

    fn next_trade(&mut self) -> Result<Option<Recorded>, SourceError> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                continue;
            }
            match binance::decode(&line) {
                Ok(Frame::Trade { symbol, trade }) => {
                    let trade = SourceTrade { symbol, trade };
                    let frame = String::from_utf8_lossy(&line).into_owned();
                    return Ok(Some(Recorded { trade, frame }));
                }
                Ok(Frame::PassedOver { .. }) => {}
                Err(cause) => {
                    let (path, line) = (self.path.clone(), self.line);
                    return Err(SourceError::Frame { path, line, cause });
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Recording {
    type Item = Result<Recorded, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_trade().transpose()
    }
}

/// A recording that can't be read; the place is named.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file, or its compression.
    #[error("read {}, line {line}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 when opening.
        line: u64,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line that is no frame.
    #[error("{}, line {line}: {cause}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        cause: FrameError,
    },
    /// A line of over 1 MiB.
    #[error("{}, line {line}: longer than 1 MiB, so no frame of Binance's", path.display())]
    Long {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::Generator;

    fn write(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("twincloud-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    fn frames(count: u64) -> (Vec<Recorded>, String) {
        let trades = Generator::new("BTCUSDT".parse().unwrap(), count, 1);
        let recorded: Vec<_> =
            trades.map(|trade| Recorded { frame: Generator::frame(&trade), trade }).collect();
        let text = recorded.iter().map(|recorded| recorded.frame.clone() + "\n").collect();
        (recorded, text)
    }

    fn read(path: &Path) -> Vec<Recorded> {
        Recording::open(path).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn reads_plain_and_gzip_alike() {
        let (trades, text) = frames(50);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        for path in [write("plain", text.as_bytes()), write("gzip", &gzip.finish().unwrap())] {
            assert_eq!(read(&path), trades);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn passes_over_other_events_and_empty_lines() {
        let (trades, text) = frames(2);
        let other = r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":1}}"#;
        let path = write("mixed", format!("\n{other}\r\n{text}\n\n").as_bytes());
        assert_eq!(read(&path), trades);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_bad_line_is_named() {
        let (_, text) = frames(2);
        let path = write("bad", format!("{text}{{\"e\":\"trade\"}}\n").as_bytes());
        let error = Recording::open(&path).unwrap().last().unwrap().unwrap_err().to_string();
        assert!(error.contains("bad, line 3: "), "{error}");
        std::fs::remove_file(path).unwrap();
        let error = Recording::open(Path::new("no/such/file")).err().unwrap().to_string();
        assert!(error.starts_with("read no/such/file, line 0: "), "{error}");
    }
}
