//! Checks files against pinned hashes, and remembers the result so that 60 MB aren't hashed at every look-up.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const CHUNK_BYTES: usize = 1 << 16;

/// The hash of a file, stored beside it in `<file>.stamp`.
///
/// A stamp is valid as long as size and modification time are the same. It is as trustworthy as the cache folder
/// itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The hash of the file.
    pub sha256: String,
    /// The pinned hash that covers the file: its own, or that of the archive it was taken from.
    pub vouched_by_sha256: String,
    bytes: u64,
    modified_ns: u128,
}

impl Stamp {
    /// Hashes `file` and writes the stamp. `archive_sha256` names the verified archive it was taken from.
    pub fn make(file: &Path, archive_sha256: Option<&str>) -> io::Result<Self> {
        let (bytes, modified_ns) = identity(file)?;
        let sha256 = sha256_file(file)?;
        let vouched_by_sha256 = archive_sha256.map_or_else(|| sha256.clone(), str::to_owned);
        let stamp = Self { sha256, vouched_by_sha256, bytes, modified_ns };
        fs::write(stamp_path(file), serde_json::to_vec(&stamp)?)?;
        Ok(stamp)
    }

    /// The stamp of `file`, created if there is none or the file has changed since.
    pub fn of(file: &Path) -> io::Result<Self> {
        let (bytes, modified_ns) = identity(file)?;
        let kept = fs::read(stamp_path(file))
            .ok()
            .and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        match kept {
            Some(stamp) if (stamp.bytes, stamp.modified_ns) == (bytes, modified_ns) => Ok(stamp),
            _ => Self::make(file, None),
        }
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal digits.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&chunk[..count]);
    }
}

/// The SHA-256 of some bytes, in lower-case hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
        text
    })
}

fn identity(file: &Path) -> io::Result<(u64, u128)> {
    let metadata = file.metadata()?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), modified.as_nanos()))
}

fn stamp_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".stamp");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(sha256(b"abc"), ABC);
    }

    #[test]
    fn a_stamp_is_reused_until_the_file_changes() {
        let machine = Machine::new();
        let file = machine.file("x.jar", "abc");
        assert_eq!(Stamp::of(&file).expect("hashed").sha256, ABC);
        let vouched = Stamp::make(&file, Some("archive")).expect("hashed");
        assert_eq!(Stamp::of(&file).expect("kept"), vouched);
        machine.file("x.jar", "something else");
        assert_eq!(
            Stamp::of(&file).expect("hashed again").vouched_by_sha256,
            sha256(b"something else")
        );
    }
}
