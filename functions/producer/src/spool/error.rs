//! Failures of a spool, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::BODY_BYTES_MAX;

/// A failed operation on a spool: no message was appended, and none in the spool is lost.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The spool has reached its bound.
    #[error(
        "append to the spool {}: it holds {bytes} bytes, and {more} more would be over max_bytes = {max_bytes}. \
         No cloud takes messages fast enough: see to the clouds, or raise max_bytes",
        path.display()
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// Bytes in the spool.
        bytes: u64,
        /// Bytes to be added.
        more: u64,
        /// The setting.
        max_bytes: u64,
    },
    /// The disk, a quota or the process's limit for a file is full.
    #[error(
        "write {}: {cause}. The spool holds {bytes} bytes: free some space there, or lower max_bytes and \
         segment_bytes to what the disk can hold",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Bytes in the spool.
        bytes: u64,
        /// The system's error.
        cause: io::Error,
    },
    /// Another producer has the spool.
    #[error(
        "open the spool {}: {} has it open; one producer has one spool, so give this one a folder of its own",
        path.display(),
        if holder.is_empty() { "another process" } else { holder.as_str() }
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The content of its lock file.
        holder: String,
    },
    /// A message above [`BODY_BYTES_MAX`].
    #[error(
        "append a message of {bytes} bytes: the spool takes {BODY_BYTES_MAX}, and no queue takes more"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A record that was good when the spool was opened no longer is.
    #[error("read {}, byte {at}: the record's checksum is wrong; see to the disk", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The byte at which the record starts.
        at: u64,
    },
    /// An earlier failure left the end of the spool in doubt.
    #[error("the spool {} takes nothing more after a failure ({why}); open it again", path.display())]
    Broken {
        /// The folder.
        path: PathBuf,
        /// The earlier failure.
        why: String,
    },
    /// Any other I/O error.
    #[error("{what} {}: {cause}", path.display())]
    Io {
        /// The operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl SpoolError {
    /// True if waiting may help: space is freed as clouds acknowledge.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::DiskFull { .. })
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { what, path, cause }
    }

    pub(super) fn write(path: &Path, bytes: u64) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| match cause.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull { path, bytes, cause },
            _ => Self::Io { what: "write", path, cause },
        }
    }
}
