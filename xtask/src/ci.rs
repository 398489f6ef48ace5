//! `cargo xtask ci`: runs the checks of CI on any machine.

use std::env;
use std::process::Command;
use std::time::Instant;

use toolbox::release::VARIABLE;

use crate::exit::Failure;
use crate::heavy;

pub(crate) fn run(args: &args::Ci) -> Result<(), Failure> {
    let fuzz_seconds = args.fuzz_seconds.to_string();
    let steps: [&[&str]; 6] = [
        &["lint", "--require-tools"],
        &["terraform"],
        &["build"],
        &["fuzz", "--if-available", "--seconds", &fuzz_seconds],
        &["e2e", "--target", "processes", "--poison", "3"],
        // Last, so that a log ends with the test runner's own count and the time of each step.
        &["test", "--require-emulators"],
    ];
    let xtask =
        env::current_exe().map_err(|error| Failure::missing(format!("find xtask: {error}")))?;
    let mut took = Vec::new();
    let mut done = Ok(());
    for step in steps {
        let words = step.join(" ");
        eprintln!("\n== cargo xtask {words}");
        let begin = Instant::now();
        // CI checks this checkout's own code, so no program of a release is used.
        done = heavy::run(Command::new(&xtask).args(step).env(VARIABLE, "off"));
        took.push(format!("{:>6} s  {words}", begin.elapsed().as_secs()));
        if done.is_err() {
            break;
        }
    }
    eprintln!("\n== time of each step\n{}", took.join("\n"));
    done
}
