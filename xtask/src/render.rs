//! `cargo xtask render`.

use crate::exit::Failure;
use crate::heavy;

pub(crate) fn run(args: &args::Render) -> Result<(), Failure> {
    heavy::deploy(args.json)
}
