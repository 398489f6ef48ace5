//! `cargo xtask up` and `down`.

use clap::Args;

/// Starts local clouds that stay until `cargo xtask down`.
#[derive(Args, Clone, Debug)]
pub struct Up {
    /// Have AWS's emulator keep to roles and policies: a function may do what its role allows, and a queue refuses senders
    /// that its policy denies. The rehearsal of `chaos --kill aws` needs it.
    #[arg(long)]
    pub enforce_policies: bool,

    /// Print the endpoints as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Stops the local clouds that `cargo xtask up` started.
#[derive(Args, Clone, Debug)]
pub struct Down {}
