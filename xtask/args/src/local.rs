//! Commands for local clouds and artifacts.

use std::path::PathBuf;

use clap::Args;

/// Starts local clouds that stay until `cargo xtask down`.
#[derive(Args, Clone, Debug)]
pub struct Up {
    /// Print the endpoints as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Stops the local clouds that `cargo xtask up` started.
#[derive(Args, Clone, Debug)]
pub struct Down {}

/// Packs the release binaries of the functions into what is deployed.
#[derive(Args, Clone, Debug)]
pub struct Package {
    /// Where the release binaries are.
    #[arg(long)]
    pub bin_dir: PathBuf,
    /// Where the artifacts go.
    #[arg(long)]
    pub out_dir: PathBuf,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub json: bool,
}
