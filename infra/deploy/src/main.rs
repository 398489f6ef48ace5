//! The program behind the command line's deployment commands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use deploy::commands;
use infra::Checkout;
use infra::package::{BinDirs, Destination};

mod image;
mod package;
mod root;

/// The command line or a setting must be corrected.
const USAGE: u8 = 2;
/// Something missing can be installed or built; see the message.
const ENVIRONMENT: u8 = 3;

/// Packs the functions and applies the stacks; `cargo xtask` lists what it does and runs it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the Lambda zip, the Cloud Run images and manifest.json out of release binaries
    Package {
        /// Where the Cloud Run services are, linked statically
        #[arg(long)]
        service_bin_dir: PathBuf,
        /// Where the Lambda bootstraps are
        #[arg(long)]
        lambda_bin_dir: PathBuf,
        /// Where the artifacts go
        #[arg(long, default_value = "target/artifacts")]
        out_dir: PathBuf,
        /// Pack for emulators on this machine alone, where dynamic binaries start too; those get no image
        #[arg(long)]
        this_machine: bool,
        /// Print the manifest and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Say as JSON what xtask builds for the images: the services, and for which target
    #[command(hide = true)]
    Services,
    /// Work with the images of the Google services
    Image(args::Image),
    #[command(flatten)]
    Cloud(commands::Command),
}

fn main() -> ExitCode {
    args::spare_loopback();
    match Cli::parse().command {
        Command::Package { service_bin_dir, lambda_bin_dir, out_dir, this_machine, json } => {
            let bins = BinDirs { lambda: &lambda_bin_dir, services: &service_bin_dir };
            let destination =
                if this_machine { Destination::ThisMachine } else { Destination::Clouds };
            package::run(bins, destination, &out_dir, json)
        }
        Command::Services => package::services(),
        Command::Image(args) => image::run(&args),
        Command::Cloud(command) => commands::run(&command, &Checkout::from_vars()),
    }
}

fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
