//! Where things are in this checkout.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // `cargo run` says where the manifest is now; what was compiled in may be another clone's.
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let manifest_dir = PathBuf::from(manifest_dir);
    manifest_dir.parent().map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where the release binaries are.
pub(crate) fn bin_dir() -> PathBuf {
    target_dir().join("release")
}

/// Where the Lambda bootstraps are.
pub(crate) fn lambda_bin_dir() -> PathBuf {
    target_dir().join("function")
}

/// Where `build` puts what is deployed.
pub(crate) fn artifacts_dir() -> PathBuf {
    root().join("target/artifacts")
}
