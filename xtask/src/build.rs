//! `cargo xtask build`.

use crate::exit::Failure;
use crate::heavy::{self, Print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the manifest as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    heavy::build_all(args.json)?;
    heavy::package(if args.json { Print::Json } else { Print::Table })
}
