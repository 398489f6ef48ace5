//! A line of text beside the messages, replaced as a whole: the position in the source.
//!
//! ```text
//! twincloud spool mark 1
//! {"source":"...","taken":1200}
//! crc32c 8f3a21b0
//! ```

use std::fs;
use std::io;
use std::path::Path;

use super::SpoolError;

const TITLE: &str = "twincloud spool mark 1";

/// Replaces the file, without a sync: if a loss of power restores an earlier one, or none, more trades are spooled
/// again, which is harmless.
pub(super) fn save(dir: &Path, text: &str) -> Result<(), SpoolError> {
    let (path, new) = (dir.join("mark"), dir.join("mark.new"));
    let content = format!("{TITLE}\n{text}\n");
    let checksum = crc32c::crc32c(content.as_bytes());
    let content = format!("{content}crc32c {checksum:08x}\n");
    fs::write(&new, content).map_err(SpoolError::write(&new, 0))?;
    fs::rename(&new, &path).map_err(SpoolError::io("rename to", &path))
}

/// The saved text; `None` if there is none, or none that can be parsed.
pub(super) fn load(dir: &Path) -> Result<Option<String>, SpoolError> {
    let path = dir.join("mark");
    match fs::read(&path) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(parse)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(SpoolError::io("read", &path)(cause)),
    }
}

fn parse(content: &str) -> Option<String> {
    let (content, checksum) = content.rsplit_once("crc32c ")?;
    let checksum = u32::from_str_radix(checksum.strip_suffix('\n')?, 16).ok()?;
    let text = content.strip_prefix(TITLE)?.strip_prefix('\n')?.strip_suffix('\n')?;
    (checksum == crc32c::crc32c(content.as_bytes())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_any_damage_makes_it_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        save(dir.path(), "one").unwrap();
        save(dir.path(), r#"{"two":"größe"}"#).unwrap();
        assert_eq!(load(dir.path()).unwrap().as_deref(), Some(r#"{"two":"größe"}"#));
        let path = dir.path().join("mark");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(load(dir.path()).unwrap(), None, "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(load(dir.path()).unwrap(), None, "{at} bytes");
        }
    }
}
