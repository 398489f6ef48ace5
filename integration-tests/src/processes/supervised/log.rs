//! The end of a log file, for errors.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

const TAIL_BYTES: u64 = 8_192;
const TAIL_LINES: usize = 25;

/// The last lines of a log, or why there are none.
#[must_use]
pub fn tail(path: &Path) -> String {
    match read_end(path) {
        Ok(text) if text.trim().is_empty() => "  (it said nothing)".to_owned(),
        Ok(text) => last_lines(&text),
        Err(error) => format!("  ({}: {error})", path.display()),
    }
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_shown() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let lines: Vec<String> = (0..5_000).map(|number| format!("line {number}")).collect();
        std::fs::write(file.path(), lines.join("\n")).expect("write");
        let tail = tail(file.path());
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.ends_with("  line 4999"), "{tail}");
    }

    #[test]
    fn silence_and_absence_are_said() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        assert_eq!(tail(file.path()), "  (it said nothing)");
        assert!(tail(Path::new("/nonexistent/x.log")).contains("/nonexistent/x.log"));
    }
}
