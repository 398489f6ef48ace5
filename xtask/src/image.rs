//! `cargo xtask image`.

use args::ImageCommand;

use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};

/// The images are those of this checkout, as it is now.
pub(crate) fn run(args: &args::Image) -> Result<(), Failure> {
    let ImageCommand::Push(push) = &args.command;
    heavy::build_and_package(Destination::Anywhere, push.json, Print::Nothing)?;
    heavy::exec("deploy")
}
