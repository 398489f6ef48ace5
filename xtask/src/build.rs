//! `cargo xtask build`.

use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the manifest as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let print = if args.json { Print::Json } else { Print::Table };
    heavy::build_and_package(Destination::Anywhere, args.json, print)
}
