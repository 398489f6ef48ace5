//! `cargo xtask lint`: everything that is checked without running it.

use std::process::Command;

use crate::exit::Failure;
use crate::{heavy, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail where a checker is missing, instead of leaving its check out.
    #[arg(long)]
    require_tools: bool,
}

/// A check by a program that a machine may lack.
struct Check {
    program: &'static str,
    args: &'static [&'static str],
    get: &'static str,
    /// Not to be had everywhere: its absence is never an error.
    optional: bool,
}

const CHECKS: [Check; 3] = [
    Check {
        program: "terraform",
        args: &["fmt", "-check", "-diff", "-recursive", "."],
        get: "https://developer.hashicorp.com/terraform/install",
        optional: true,
    },
    Check {
        program: "cargo-deny",
        args: &["deny", "check", "bans", "licenses", "sources"],
        get: "cargo install cargo-deny --locked",
        optional: false,
    },
    Check {
        program: "cfn-lint",
        args: &["infra/aws/*.yaml"],
        get: "pip install cfn-lint",
        optional: false,
    },
];

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
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
    for check in CHECKS {
        if heavy::has(check.program, &["--version"]) {
            eprintln!("running {}", check.program);
            heavy::check(
                Command::new(check.program).args(check.args).current_dir(workspace::root()),
            )?;
        } else if args.require_tools && !check.optional {
            let Check { program, get, .. } = check;
            return Err(Failure::Lacking(format!("no {program}: `{get}`")));
        } else {
            eprintln!("note: not checked: no {} (`{}`)", check.program, check.get);
        }
    }
    Ok(())
}
