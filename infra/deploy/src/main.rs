//! The heavy half of the command line's deployment commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use infra::package::{BinDirs, Manifest, package_all};

mod render;

/// What is missing can be installed or built; see the message.
const ENVIRONMENT: u8 = 3;

#[derive(Parser)]
#[command(name = "deploy", about = "Packages the functions and applies the stacks", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the Lambda zip, the Cloud Run context and manifest.json out of release binaries
    Package {
        /// Where the release binaries are
        #[arg(long, default_value = "target/release")]
        bin_dir: PathBuf,
        /// Where the Lambda bootstraps are
        #[arg(long, default_value = "target/lambda")]
        lambda_bin_dir: PathBuf,
        /// Where the artifacts go
        #[arg(long, default_value = "target/artifacts")]
        out_dir: PathBuf,
        /// Print the manifest and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Write the values that Terraform, the stack and a shell take, from twincloud.toml
    Render(args::Render),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Package { bin_dir, lambda_bin_dir, out_dir, json } => {
            let bins = BinDirs { lambda: &lambda_bin_dir, services: &bin_dir };
            package(bins, &out_dir, json)
        }
        Command::Render(args) => render::run(&args),
    }
}

fn package(bins: BinDirs<'_>, out_dir: &Path, json: bool) -> ExitCode {
    match package_all(bins, out_dir) {
        Ok(manifest) => {
            print(&manifest, json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            let environment = error.is_environment();
            ExitCode::from(if environment { ENVIRONMENT } else { 1 })
        }
    }
}

fn print(manifest: &Manifest, json: bool) {
    if json {
        println!("{}", serde_json::json!(manifest));
        return;
    }
    println!(
        "{:<24} {:>12} {:>12}  {:<7} {:<6} SHA-256",
        "ARTIFACT", "BYTES", "UNPACKED", "ARCH", "GLIBC"
    );
    for artifact in &manifest.artifacts {
        println!(
            "{:<24} {:>12} {:>12}  {:<7} {:<6} {}",
            artifact.path,
            artifact.bytes,
            artifact.uncompressed_bytes,
            artifact.arch,
            artifact.glibc_max.as_deref().unwrap_or("none"),
            artifact.sha256,
        );
    }
}
