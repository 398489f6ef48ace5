//! What the programs behind `cargo xtask` have in common: how a command ends, and the progress that it shows.

mod failure;
mod progress;

pub use failure::Failure;
pub use progress::Progress;
