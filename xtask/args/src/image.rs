//! `cargo xtask image`.

use clap::{Args, Subcommand};

/// Works with the images of the Google services.
#[derive(Args, Clone, Debug)]
pub struct Image {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ImageCommand,
}

/// What can be done with images.
#[derive(Clone, Debug, Subcommand)]
pub enum ImageCommand {
    /// Build the services' images, push them to a registry and print their references by digest.
    Push(PushImages),
}

/// Which registry, and how to print.
#[derive(Args, Clone, Debug)]
pub struct PushImages {
    /// Each service gets a repository below this one, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY.
    #[arg(long, value_name = "HOST/PATH")]
    pub to: String,

    /// Print the references as JSON.
    #[arg(long)]
    pub json: bool,
}
