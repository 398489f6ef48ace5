//! `cargo xtask images`, and what chooses images for the target `containers`.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};

/// Works with the images of the emulators, for the target `containers` and for tests.
#[derive(Args, Clone, Debug)]
pub struct Images {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What can be done with the emulators' images.
#[derive(Clone, Debug, Subcommand)]
pub enum ImagesCommand {
    /// Make them on this machine, where no registry can be reached. Needs Docker, and root for debootstrap.
    Build(BuildImages),
}

/// Which ones, and how to print.
#[derive(Args, Clone, Debug)]
pub struct BuildImages {
    /// Only this one; several by repeating [default: all that the target `containers` runs on, so not `localstack`].
    #[arg(long, value_enum, value_name = "IMAGE")]
    pub only: Vec<EmulatorImage>,

    /// Print the images as JSON.
    #[arg(long)]
    pub json: bool,
}

/// An image of an emulator that can be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum EmulatorImage {
    /// ministack, for AWS.
    Ministack,
    /// Google's Pub/Sub emulator.
    Pubsub,
    /// Google's Firestore emulator.
    Firestore,
    /// fake-gcs-server, for Cloud Storage.
    Storage,
    /// `LocalStack`'s own code, from `PyPI`, for the tests of the ports and of the template. It runs no function and has no
    /// table, so the target `containers` never takes it for `LocalStack`.
    Localstack,
}

impl EmulatorImage {
    /// What the target `containers` runs on where no registry can be reached.
    pub const OF_TARGET: [Self; 4] =
        [Self::Ministack, Self::Pubsub, Self::Firestore, Self::Storage];
}

/// An emulator of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AwsEmulator {
    /// `LocalStack`, which runs functions in containers of their own.
    Localstack,
    /// ministack, which runs functions as processes in its own container.
    Ministack,
}

impl fmt::Display for AwsEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Localstack => "localstack",
            Self::Ministack => "ministack",
        })
    }
}
