//! The program: its path and its version.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use infra::Settings;
use serde::Deserialize;
use tokio::process::Command;

use super::Limits;
use super::error::Error;

/// The first version that also locks a state in S3 there.
const OLDEST: (u32, u32) = (1, 10);
/// A program that doesn't print its version in this time hangs.
const VERSION_LIMIT: Duration = Duration::from_secs(20);
/// In the order of preference.
const NAMES: [&str; 2] = ["terraform", "tofu"];

/// Terraform or `OpenTofu`, in a supported version.
#[derive(Clone, Debug)]
pub struct Terraform {
    /// The program.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
    /// A mirror of providers; `None`: the registry.
    pub plugin_dir: Option<PathBuf>,
    /// Bounds of all waits.
    pub limits: Limits,
}

impl Terraform {
    /// Finds the program that the settings name, or else `terraform` or `tofu` on `PATH`.
    pub async fn find(settings: &Settings) -> Result<Self, Error> {
        let named = settings.terraform.program.as_deref();
        let names = named.map_or_else(|| NAMES.to_vec(), |name| vec![name]);
        let path = env::var_os("PATH").unwrap_or_default();
        let program = names.iter().find_map(|name| which(name, &path));
        let program = program.ok_or_else(|| Error::NoProgram { names: names.join(" or ") })?;
        let version = version(&program).await?;
        if !new_enough(&version) {
            return Err(Error::TooOld { program, version });
        }
        let plugin_dir = settings.terraform.plugin_dir.as_ref().map(absolute).transpose()?;
        Ok(Self { program, version, plugin_dir, limits: Limits::default() })
    }
}

fn which(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| std::path::absolute(name).ok()).flatten();
    }
    env::split_paths(path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// An absolute path, since the program runs in another folder.
fn absolute(folder: &String) -> Result<PathBuf, Error> {
    let path = PathBuf::from(folder);
    match path.is_dir().then(|| std::path::absolute(&path)) {
        Some(Ok(path)) => Ok(path),
        _ => Err(Error::NoMirror { folder: path }),
    }
}

async fn version(program: &Path) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Version {
        terraform_version: String,
    }
    let mut command = Command::new(program);
    command.args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1").kill_on_drop(true);
    command.stdin(Stdio::null());
    let broken = |problem: String| Error::Broken { program: program.to_owned(), problem };
    let output = tokio::time::timeout(VERSION_LIMIT, command.output())
        .await
        .map_err(|_| broken(format!("no answer within {} s", VERSION_LIMIT.as_secs())))?
        .map_err(|error| broken(error.to_string()))?;
    let version: Version = serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| !line.trim().is_empty());
        broken(said.map_or_else(|| error.to_string(), str::to_owned))
    })?;
    Ok(version.terraform_version)
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FILE: &str = include_str!("../../../../twincloud.toml");

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["1.10.0", "1.11.4", "2.0.0", "1.12.0-rc1"] {
            assert!(new_enough(version), "{version}");
        }
        for version in ["1.9.8", "0.15.0", "1", "odd"] {
            assert!(!new_enough(version), "{version}");
        }
    }

    async fn find(script: &str) -> Result<Terraform, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("tf");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("write");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("set");
        find_with(&[format!("terraform.program={}", program.display())]).await
    }

    async fn find_with(sets: &[String]) -> Result<Terraform, Error> {
        let path = Path::new("twincloud.toml");
        let settings = Settings::parse(path, FILE, None, sets, std::iter::empty());
        Terraform::find(&settings.expect("the settings are valid")).await
    }

    #[tokio::test]
    async fn a_program_that_is_too_old_broken_or_missing_is_named() {
        let found = find("echo '{\"terraform_version\":\"1.10.5\"}'").await.expect("new enough");
        assert_eq!(found.version, "1.10.5");

        let error = find("echo '{\"terraform_version\":\"1.9.8\"}'").await.expect_err("too old");
        assert!(error.to_string().contains("is version 1.9.8"), "{error}");
        assert!(error.is_environment());

        let error = find("echo 'bad interpreter' >&2; exit 1").await.expect_err("broken");
        assert!(error.to_string().contains("bad interpreter"), "{error}");

        let sets = ["terraform.program=no-such-program".to_owned()];
        let error = find_with(&sets).await.expect_err("missing");
        assert!(error.to_string().starts_with("no no-such-program on PATH"), "{error}");
    }
}
