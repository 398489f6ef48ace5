//! `cargo xtask up` and `down`.

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
