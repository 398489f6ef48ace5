//! `cargo xtask lint`: all static checks.

use std::process::Command;
use std::thread;

use crate::exit::Failure;
use crate::terraform::{self, Depth};
use crate::{heavy, workspace};

/// Checks by a program that may be missing on a machine.
struct Check {
    program: &'static str,
    /// Its arguments, run by run.
    runs: &'static [&'static [&'static str]],
}

/// One workspace's dependencies; the others have a lock file of their own.
macro_rules! deny {
    ($manifest:literal) => {
        &["deny", "--manifest-path", $manifest, "check", "bans", "licenses", "sources"]
    };
}

const QUICK: [Check; 3] = [
    Check {
        program: "cargo-deny",
        runs: &[
            deny!("Cargo.toml"),
            deny!("fuzz/Cargo.toml"),
            deny!("integration-tests/fault-proxy/noxious/Cargo.toml"),
        ],
    },
    Check { program: "cfn-lint", runs: &[&["infra/aws/*.yaml"]] },
    Check {
        program: "zizmor",
        runs: &[&["--offline", "--quiet", "--color=never", ".github/workflows"]],
    },
];

/// It fetches neither modules nor rules: the check is the same on every machine.
macro_rules! checkov {
    ($framework:literal in $folder:literal) => {
        &[
            "--directory",
            $folder,
            "--framework",
            $framework,
            "--compact",
            "--quiet",
            "--skip-download",
            "--download-external-modules",
            "false",
        ]
    };
}

/// One run for each folder: a run over several counts them together, and lists them repeatedly.
const CHECKOV: Check = Check {
    program: "checkov",
    runs: &[
        checkov!("cloudformation" in "infra/aws"),
        checkov!("terraform" in "terraform"),
        checkov!("terraform" in "terraform-gcp"),
        checkov!("github_actions" in ".github"),
    ],
};

pub(crate) fn run(args: &args::Lint) -> Result<(), Failure> {
    heavy::check(heavy::cargo().args(["fmt", "--all", "--check"]))?;
    heavy::check(heavy::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--release",
        "--",
        "-D",
        "warnings",
    ]))?;
    let require = args.require_tools;
    // Checkov is slow and uses one core, so the others run beside it.
    let (slow, quick) = thread::scope(|scope| {
        let slow = scope.spawn(move || checked(&CHECKOV, require));
        let mut quick: Vec<_> = QUICK.iter().flat_map(|check| checked(check, require)).collect();
        quick.push(terraform::check(Depth::Validate, false));
        (slow.join(), quick)
    });
    // It doesn't panic; if it did, its trace is on the screen.
    let slow = slow.map_err(|_| Failure::missing("run checkov: its thread panicked"))?;
    let mut failures = Vec::new();
    for outcome in quick.into_iter().chain(slow) {
        match outcome {
            Ok(said) => eprint!("{said}"),
            Err(failure) => failures.push(failure),
        }
    }
    all(failures)
}

/// Runs a program's checks, and returns the output of each.
fn checked(check: &Check, require: bool) -> Vec<Result<String, Failure>> {
    let Check { program, runs } = check;
    if !heavy::has(program, &["--version"]) {
        let how = toolbox::how_to_get(program, toolbox::Env::from_process().platform());
        let missing = format!("no {program} (`{}`)", how.unwrap_or_default());
        return vec![if require {
            Err(Failure::MissingPrerequisite(missing))
        } else {
            Ok(format!("note: not checked: {missing}\n"))
        }];
    }
    let run = |args: &&[&str]| {
        let mut command = Command::new(program);
        let said = heavy::captured(command.args(*args).current_dir(workspace::root()))?;
        let said = said.trim();
        let newline = if said.is_empty() { "" } else { "\n" };
        Ok(format!("{said}{newline}fine: {program} {}\n", args.join(" ")))
    };
    runs.iter().map(run).collect()
}

/// All failed checks together, or else the first missing tool.
fn all(failures: Vec<Failure>) -> Result<(), Failure> {
    let mut broken = Vec::new();
    let mut other = Ok(());
    for failure in failures {
        match failure {
            Failure::Failed(why) => broken.push(why),
            failure => other = other.and(Err(failure)),
        }
    }
    if broken.is_empty() { other } else { Err(Failure::Failed(broken.join("\n\n"))) }
}
