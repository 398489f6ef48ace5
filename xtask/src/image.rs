//! `cargo xtask image`.

use args::ImageCommand;

use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};

/// The images are built from the current state of this checkout.
pub(crate) fn run(args: &args::Image) -> Result<(), Failure> {
    let ImageCommand::Push(push) = &args.command;
    heavy::build_and_package(Destination::Anywhere, push.json, Print::Nothing)?;
    heavy::exec("deploy")
}
