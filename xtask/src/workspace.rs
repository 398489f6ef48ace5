//! Paths in this checkout.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // `cargo run` sets the manifest's current path; the compiled-in one may be another clone's.
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let manifest_dir = PathBuf::from(manifest_dir);
    manifest_dir.parent().map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// The parent of cargo's profile folders, one of which has this program. That is [`target_dir`], unless the user's
/// configuration of cargo names a target: then it is the folder of that target.
pub(crate) fn built_dir() -> PathBuf {
    let own = env::current_exe().ok();
    let built = own.as_deref().and_then(Path::parent).and_then(Path::parent);
    built.map_or_else(|| root().join("target"), Path::to_owned)
}

/// The build folder of cargo.
pub(crate) fn target_dir() -> PathBuf {
    target_dir_of(&built_dir())
}

/// cargo marks only its target folder as excluded from backups.
fn target_dir_of(built: &Path) -> PathBuf {
    let marked = built.ancestors().take(2).find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.unwrap_or(built).to_owned()
}

/// The folder of the release binaries.
pub(crate) fn bin_dir() -> PathBuf {
    built_dir().join("release")
}

/// The folder of the functions that are built for this target.
pub(crate) fn function_bin_dir(target: &str) -> PathBuf {
    target_dir().join(target).join("function")
}

/// The folder of the artifacts of `build`.
pub(crate) fn artifacts_dir() -> PathBuf {
    root().join("target/artifacts")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_target_folder_is_found_from_that_of_a_target_below_it() {
        let target = built_dir().join(format!("tmp/workspace-{}", std::process::id()));
        let triple = target.join("x86_64-unknown-linux-musl");
        fs::create_dir_all(&triple).expect("create");
        assert_eq!(target_dir_of(&triple), triple, "without a mark it is taken as it is");
        fs::write(target.join("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55")
            .expect("write");
        assert_eq!(target_dir_of(&triple), target);
        assert_eq!(target_dir_of(&target), target);
        fs::remove_dir_all(&target).expect("remove");
    }
}
