//! `deploy package`: packs release binaries into deployable artifacts.

use std::env::consts::ARCH;
use std::path::Path;
use std::process::ExitCode;

use deploy::images;
use infra::package::image::{Base, ImageReference};
use infra::package::{BinDirs, Destination, Manifest, Service, package_all};
use infra::settings::{Architecture, Images};
use serde_json::json;

use crate::{ENVIRONMENT, USAGE, failed, root};

pub(crate) fn run(
    bins: BinDirs<'_>,
    destination: Destination,
    out_dir: &Path,
    json: bool,
) -> ExitCode {
    let settings = match root::settings(None, &[]) {
        Ok(settings) => settings.gcp.images,
        Err(error) => return failed(&error, USAGE),
    };
    let base = match base(&settings) {
        Ok(base) => base,
        Err(error) => {
            let code = if error.is_environment() { ENVIRONMENT } else { 1 };
            return failed(&error, code);
        }
    };
    match package_all(bins, base.as_ref(), destination, out_dir) {
        Ok(manifest) => {
            print(&manifest, json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let environment = error.is_environment();
            failed(&error, if environment { ENVIRONMENT } else { 1 })
        }
    }
}

/// Prints the services, which xtask can't know: it has no crate that reads the settings.
pub(crate) fn services() -> ExitCode {
    match root::settings(None, &[]) {
        Ok(settings) => {
            let target = settings.gcp.images.target;
            println!("{}", json!({ "target": target, "services": Service::ALL }));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error, USAGE),
    }
}

/// The base, if the settings name one; only then is its registry contacted.
fn base(settings: &Images) -> Result<Option<Base>, images::Error> {
    let Some(reference) = &settings.base else { return Ok(None) };
    let reference: ImageReference = reference.parse()?;
    let target = settings.target.as_deref().unwrap_or(ARCH);
    let architecture =
        if target.starts_with("aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| images::Error::Base {
        reference: reference.to_string(),
        problem: error.to_string(),
    })?;
    runtime.block_on(images::fetch_base(&reference, architecture)).map(Some)
}

fn print(manifest: &Manifest, json: bool) {
    if json {
        println!("{}", json!(manifest));
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
    for artifact in &manifest.artifacts {
        if let Some(digest) = &artifact.image_digest {
            println!("{:<24} image {digest}", artifact.path);
        }
    }
}
