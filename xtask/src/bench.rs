//! `cargo xtask bench`: measures the figures in the documents.

use std::process::Command;

use args::Benchmark as What;

use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};
use crate::workspace;

pub(crate) fn run(args: &args::Bench) -> Result<(), Failure> {
    if args.json && args.what != [What::Stack] {
        let why = "only `bench stack` takes --json";
        clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, format!("{why}\n")).exit();
    }
    crate::release::compile_everything();
    let wanted = |what| args.what.is_empty() || args.what.contains(&what);
    if wanted(What::Fold) {
        heavy::check(heavy::cargo().args(["bench", "--workspace", "--bench", "fold"]))?;
    }
    if wanted(What::ColdStart) {
        heavy::build_and_package(Destination::ThisMachine, false, Print::Nothing)?;
        let mut cold_start = Command::new(workspace::bin_dir().join("harness"));
        cold_start.arg("bench-cold-start");
        cold_start.arg("--hello").arg(workspace::bin_dir().join("hello-bootstrap"));
        let functions = workspace::function_bin_dir(&heavy::host()?);
        cold_start.arg("--bootstrap").arg(functions.join("aws-ingest"));
        cold_start.arg("--zip").arg(workspace::artifacts_dir().join("aws/ingest.zip"));
        heavy::run(&mut cold_start)?;
    }
    if wanted(What::Proxy) {
        let target = workspace::target_dir().join("noxious");
        let manifest = workspace::root().join("integration-tests/fault-proxy/noxious/Cargo.toml");
        let mut noxious = heavy::cargo();
        noxious.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
        heavy::check(noxious.arg("--target-dir").arg(&target))?;
        let mut cost = heavy::cargo();
        cost.args(["bench", "--workspace", "--bench", "cost"]);
        heavy::check(cost.env("NOXIOUS_PROXY", target.join("release/noxious-proxy")))?;
    }
    if wanted(What::Stack) {
        heavy::build_and_package(Destination::ThisMachine, args.json, Print::Nothing)?;
        let mut stack = heavy::program("harness");
        stack.arg("bench-stack");
        if args.json {
            stack.arg("--json");
        }
        heavy::run(&mut stack)?;
    }
    Ok(())
}
