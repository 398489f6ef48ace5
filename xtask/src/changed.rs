//! The crates affected by a change, for `cargo xtask test --changed`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::exit::Failure;
use crate::heavy;
use crate::workspace;

/// The tests that a change requires.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All tests: the change is in a file that every crate is built from.
    All,
    /// The tests of these crates, and of the crates that use them; none if empty.
    Crates(BTreeSet<String>),
}

impl Selection {
    /// The files that differ from `revision`, and new ones.
    pub(crate) fn since(revision: &str) -> Result<Self, Failure> {
        let git = |words: &[&str]| {
            heavy::captured(Command::new("git").args(words).current_dir(workspace::root()))
        };
        let changed = git(&["diff", "--name-only", revision, "--"])?;
        let new = git(&["ls-files", "--others", "--exclude-standard"])?;
        Ok(Self::of(&packages()?, changed.lines().chain(new.lines())))
    }

    /// `packages` are folders, from the root of the workspace, and names.
    fn of<'f>(packages: &BTreeMap<PathBuf, String>, files: impl Iterator<Item = &'f str>) -> Self {
        let mut crates = BTreeSet::new();
        for file in files {
            let path = Path::new(file);
            let package = path.ancestors().find_map(|folder| packages.get(folder));
            crates.insert(match (package, path.extension().and_then(|end| end.to_str())) {
                (Some(package), _) => package.clone(),
                // xtask tests the links of documents.
                (None, Some("md")) => "xtask".to_owned(),
                // infra's tests check rules about these files.
                (None, Some("tf" | "hcl" | "yml" | "yaml")) => "infra".to_owned(),
                (None, _) => return Self::All,
            });
        }
        Self::Crates(crates)
    }

    /// The nextest expression that selects these tests; `None`: all tests.
    pub(crate) fn expression(&self) -> Option<String> {
        let Self::Crates(crates) = self else { return None };
        let each: Vec<String> = crates.iter().map(|name| format!("rdeps({name})")).collect();
        Some(if each.is_empty() { "none()".to_owned() } else { each.join(" | ") })
    }
}

/// The crates of the workspace: folder, from its root, and name.
fn packages() -> Result<BTreeMap<PathBuf, String>, Failure> {
    let mut metadata = heavy::cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let text = heavy::captured(&mut metadata)?;
    let unread = |why: String| Failure::Failed(format!("read `cargo metadata`: {why}"));
    let metadata: Value = serde_json::from_str(&text).map_err(|error| unread(error.to_string()))?;
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let all = metadata["packages"].as_array().into_iter().flatten();
    let packages = all.filter_map(|package| {
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
        let folder = folder.strip_prefix(root).ok()?.to_owned();
        Some((folder, package["name"].as_str()?.to_owned()))
    });
    let packages: BTreeMap<_, _> = packages.collect();
    if packages.is_empty() { Err(unread("it names no crate".to_owned())) } else { Ok(packages) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_selects_the_crate_that_it_is_in() {
        let packages = [("infra", "infra"), ("infra/deploy", "deploy"), ("xtask", "xtask")];
        let packages = packages.map(|(folder, name)| (PathBuf::from(folder), name.to_owned()));
        let of = |files: &[&str]| Selection::of(&packages.clone().into(), files.iter().copied());
        let crates =
            |names: &[&str]| Selection::Crates(names.iter().map(|n| (*n).into()).collect());
        assert_eq!(of(&["infra/deploy/src/a.rs", "infra/src/b.rs"]), crates(&["deploy", "infra"]));
        assert_eq!(of(&["docs/chaos.md", "terraform/main.tf"]), crates(&["infra", "xtask"]));
        assert_eq!(of(&["xtask/src/main.rs", "twincloud.toml"]), Selection::All);
        assert_eq!(of(&[]), crates(&[]));
        let two = crates(&["deploy", "infra"]).expression();
        assert_eq!(two.as_deref(), Some("rdeps(deploy) | rdeps(infra)"));
        assert_eq!(crates(&[]).expression().as_deref(), Some("none()"));
        assert_eq!(Selection::All.expression(), None);
    }

    #[test]
    fn every_crate_of_the_workspace_is_known() {
        let packages = packages().map_err(|_| "cargo metadata").expect("read");
        for (folder, name) in [("functions/memory", "cloud-memory"), ("xtask", "xtask")] {
            assert_eq!(packages.get(Path::new(folder)).map(String::as_str), Some(name));
        }
    }
}
