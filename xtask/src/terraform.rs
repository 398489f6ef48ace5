//! `cargo xtask terraform`: checks the format, validity and tests of both roots and of their modules. No account is needed: the
//! tests mock the providers.
//!
//! It works in copies below `target`, so that no `.terraform` gets into a root. A root's lock file is respected. The settings
//! file is not read: only the environment's settings of `[terraform]` count.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use crate::exit::Failure;
use crate::{heavy, workspace};

const ROOTS: [&str; 2] = ["terraform", "terraform-gcp"];
/// The root of `bench stack`, which is never deployed and has no tests.
const BENCH: &str = "integration-tests/benches/stack";
const LOCK: &str = ".terraform.lock.hcl";
/// The folder of a root that has its modules.
const MODULES: &str = "modules";
/// Set if all providers must be available: `--require-providers`.
const REQUIRE: &str = "TWINCLOUD_REQUIRE_PROVIDERS";
/// Terraform's words if it can't get a provider.
const NO_PROVIDER: [&str; 2] =
    ["Failed to query available provider packages", "Failed to install provider"];

/// The extent of the checks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Format, types, references.
    Validate,
    /// The tests too.
    Test,
}

pub(crate) fn run(args: &args::Terraform) -> Result<(), Failure> {
    let require = args.require_providers || env::var_os(REQUIRE).is_some();
    let said = check(Depth::Test, require)?;
    println!("{}", said.trim_end());
    Ok(())
}

/// Checks both roots, and returns the output; a check that can't be made here is a note in it.
pub(crate) fn check(depth: Depth, require: bool) -> Result<String, Failure> {
    let Some(program) = program() else {
        let missing =
            "no terraform or tofu on PATH: https://developer.hashicorp.com/terraform/install";
        return if require {
            Err(Failure::missing(missing))
        } else {
            Ok(format!("note: not checked: {missing}\n"))
        };
    };
    let mut format = Command::new(&program);
    format.args(["fmt", "-check", "-diff", "-recursive"]).args(ROOTS).arg(BENCH);
    let mut said = heavy::captured(format.current_dir(workspace::root()))?;
    for root in ROOTS {
        said += &check_root(&program, root, depth, require)?;
    }
    said += &check_root(&program, BENCH, Depth::Validate, require)?;
    Ok(said)
}

fn check_root(program: &str, root: &str, depth: Depth, require: bool) -> Result<String, Failure> {
    let copy = workspace::target_dir().join("terraform").join(root);
    copy_root(&workspace::root().join(root), &copy)
        .map_err(|error| Failure::missing(format!("copy {root} to {}: {error}", copy.display())))?;
    let terraform = |args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(&copy);
        command.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        command.env_remove("TF_DATA_DIR").env_remove("TF_CLI_ARGS");
        command
    };
    let mut init = terraform(&["init", "-backend=false", "-input=false", "-no-color"]);
    let lock = workspace::root().join(root).join(LOCK);
    if pinned(program, &fs::read_to_string(&lock).unwrap_or_default()) {
        fs::copy(&lock, copy.join(LOCK)).map_err(|error| {
            Failure::missing(format!("copy {} to {}: {error}", lock.display(), copy.display()))
        })?;
        init.arg("-lockfile=readonly");
    } else if let Err(error) = fs::remove_file(copy.join(LOCK))
        && error.kind() != io::ErrorKind::NotFound
    {
        // The lock file of an earlier run may have hashes of other providers.
        let place = copy.join(LOCK);
        return Err(Failure::missing(format!("delete {}: {error}", place.display())));
    }
    if let Some(mirror) = env::var_os("TWINCLOUD_TERRAFORM__PLUGIN_DIR") {
        let mirror = workspace::root().join(mirror);
        init.arg(format!("-plugin-dir={}", mirror.display()));
    }
    match heavy::captured(&mut init) {
        Ok(_) => {}
        Err(Failure::Failed(why)) if NO_PROVIDER.iter().any(|words| why.contains(words)) => {
            let missing = format!(
                "{root}: its provider can't be had here (a mirror of providers: TWINCLOUD_TERRAFORM__PLUGIN_DIR=DIR)"
            );
            return if require {
                Err(Failure::MissingPrerequisite(format!("{missing}\n{why}")))
            } else {
                Ok(format!("note: not validated: {missing}\n"))
            };
        }
        Err(failure) => return Err(failure),
    }
    let mut said = format!("{root}: ");
    said += &heavy::captured(&mut terraform(&["validate", "-no-color"]))?;
    if depth == Depth::Test {
        said += &heavy::captured(&mut terraform(&["test", "-no-color"]))?;
    }
    Ok(said)
}

/// True if a lock file is respected, by the same rule as in the deploy engine: `OpenTofu` has another registry, and hashes of the
/// kind `h1` are of a single platform.
fn pinned(program: &str, lock: &str) -> bool {
    let is_tofu = Path::new(program).file_name().is_some_and(|name| name == "tofu");
    let made_here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    !is_tofu && (lock.contains("\"zh:") || lock.contains("\"h1:") && made_here)
}

/// The program in the environment's settings, if any.
fn program() -> Option<String> {
    let named = env::var("TWINCLOUD_TERRAFORM__PROGRAM").ok();
    let names =
        named.map_or_else(|| vec!["terraform".to_owned(), "tofu".to_owned()], |name| vec![name]);
    names.into_iter().find(|name| heavy::has(name, &["version"]))
}

/// Copies the `.tf` and the test files, those of its modules too, and keeps the program's own files.
fn copy_root(from: &Path, to: &Path) -> io::Result<()> {
    if to.join(MODULES).exists() {
        fs::remove_dir_all(to.join(MODULES))?;
    }
    let mut folders = vec![PathBuf::new(), PathBuf::from("tests")];
    if from.join(MODULES).exists() {
        for entry in fs::read_dir(from.join(MODULES))? {
            folders.push(Path::new(MODULES).join(entry?.file_name()));
        }
    }
    for folder in folders {
        let (from, to) = (from.join(&folder), to.join(&folder));
        fs::create_dir_all(&to)?;
        for old in files(&to)? {
            fs::remove_file(old)?;
        }
        for file in files(&from)? {
            if let Some(name) = file.file_name() {
                fs::copy(&file, to.join(name))?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let configuration = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "tf" || extension == "hcl")
            && path.file_name().is_some_and(|name| name != LOCK)
    };
    let entries = match fs::read_dir(folder) {
        // Not every root has tests.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    Ok(paths.collect::<io::Result<Vec<_>>>()?.into_iter().filter(configuration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_kept_to_where_it_says_something() {
        let everywhere = "hashes = [\"h1:a\", \"zh:b\"]";
        assert!(pinned("terraform", everywhere) && pinned("/usr/bin/terraform", everywhere));
        assert!(!pinned("tofu", everywhere) && !pinned("/usr/bin/tofu", everywhere));
        assert!(!pinned("terraform", ""), "there is none");
        let here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        assert_eq!(pinned("terraform", "hashes = [\"h1:a\"]"), here);
    }
}
