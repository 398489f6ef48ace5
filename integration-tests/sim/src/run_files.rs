//! The files in a run's folder: how they are written, and how they are read again.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Writes a file of a run.
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// The text of a file of a run.
pub(crate) fn text(dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = dir.join(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The values in a file of one JSON value a line.
pub(crate) fn lines<T: DeserializeOwned>(dir: &Path, name: &str) -> anyhow::Result<Vec<T>> {
    let text = text(dir, name)?;
    let values = (1..).zip(text.lines()).map(|(number, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("read {}, line {number}", dir.join(name).display()))
    });
    values.collect()
}

/// The text of a file of one JSON value a line.
pub(crate) fn json_lines(values: impl Iterator<Item = serde_json::Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}
