//! `cargo xtask render`.

use std::path::PathBuf;

use clap::Args;

/// Writes the values that Terraform, the stack and a shell take, from twincloud.toml.
#[derive(Args, Clone, Debug)]
pub struct Render {
    /// The environment, of those in twincloud.toml [default: its project.environment].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// Change a setting of twincloud.toml for this run; several by repeating.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,

    /// Where the files go [default: outputs/rendered/NAME].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the list of files as JSON.
    #[arg(long)]
    pub json: bool,
}
