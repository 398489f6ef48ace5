//! `cargo xtask build`.

use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};

pub(crate) fn run(args: &args::Build) -> Result<(), Failure> {
    let print = if args.json { Print::Json } else { Print::Table };
    heavy::build_and_package(Destination::Anywhere, args.json, print)
}
