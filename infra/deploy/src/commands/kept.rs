//! The files in which the outputs of deploys are kept: `outputs/ENVIRONMENT/PART.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use args::Part;

/// A part's outputs by name.
pub(super) type Outputs = BTreeMap<String, String>;

/// The file of a part of an environment.
pub(super) fn file(root: &Path, environment: &str, part: Part) -> PathBuf {
    root.join("outputs").join(environment).join(format!("{part}.json"))
}

/// The outputs in a file; `None` if it is missing.
pub(super) fn read(path: &Path, part: Part) -> anyhow::Result<Option<Outputs>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let outputs = serde_json::from_str(&text).with_context(|| {
                format!("read {}; delete it and run `cargo xtask outputs {part}`", path.display())
            })?;
            Ok(Some(outputs))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Replaces a file atomically.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    fs::write(&part, text)?;
    fs::rename(&part, path)
}
