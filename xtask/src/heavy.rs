//! The programs that do the heavy work: built from one package selection, then run in our place.
//!
//! Always the same selections: another would change feature unification and rebuild a hundred crates.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

use args::Target;
use serde_json::Value;
use toolbox::{Env, Report};

use crate::exit::Failure;
use crate::workspace;

/// The programs that are packed as Lambda functions.
const LAMBDA_BOOTSTRAPS: [&str; 2] = ["aws-ingest", "aws-replicate"];
/// See `[profile.function]`.
const FUNCTION_PROFILE: &str = "function";

/// `e2e` sends messages through the packed functions, so it packs them first; on `sim` there are none.
pub(crate) fn e2e(args: &args::E2e) -> Result<(), Failure> {
    let on_emulators = match args.target {
        Target::Processes | Target::Containers => true,
        // There is nothing for it to do, and the harness says so.
        Target::Sim | Target::Cloud | Target::Up => false,
        Target::Auto => Report::collect(&Env::from_process()).processes_target().is_ok(),
    };
    if on_emulators {
        build_all(args.json)?;
        package(Print::Nothing)?;
    } else {
        build_programs(args.json)?;
    }
    exec("harness")
}

/// `chaos` breaks what runs the packed functions, so it packs them first; a list needs none, nor does what is deployed.
pub(crate) fn chaos(args: &args::Chaos) -> Result<(), Failure> {
    if args.list || args.command.is_some() || args.target.is_deployed() {
        return harness();
    }
    build_all(args.json)?;
    package(Print::Nothing)?;
    exec("harness")
}

/// Runs the harness with our own arguments.
pub(crate) fn harness() -> Result<(), Failure> {
    build_programs(false)?;
    exec("harness")
}

/// Runs the deploy engine with our own arguments.
pub(crate) fn deploy(quiet: bool) -> Result<(), Failure> {
    build_programs(quiet)?;
    exec("deploy")
}

/// Runs the day-two commands with our own arguments; standard output is what they print, and nothing else.
pub(crate) fn operate() -> Result<(), Failure> {
    build_programs(true)?;
    exec("operate")
}

/// [`deploy`], with the artifacts that are to be deployed built and packed first.
pub(crate) fn deploy_artifacts(quiet: bool) -> Result<(), Failure> {
    build_all(quiet)?;
    package(Print::Nothing)?;
    exec("deploy")
}

/// Builds the programs of the workspace, the Lambda bootstraps and the Cloud Run services, optimised.
pub(crate) fn build_all(quiet: bool) -> Result<(), Failure> {
    build_programs(quiet)?;
    // The functions in their own profile and from a package of their own; see [profile.function]. At a fixed address:
    // relocating a bootstrap took 0.14 of the 1.87 ms of its cold start.
    for bootstrap in LAMBDA_BOOTSTRAPS {
        let mut lambda = cargo();
        lambda.args(["rustc", "--profile", FUNCTION_PROFILE, "--package", "programs"]);
        lambda.args(["--bin", bootstrap]);
        if quiet {
            lambda.arg("--quiet");
        }
        build_with(lambda.args(["--", "-C", "relocation-model=static"]))?;
    }
    build_services(quiet)
}

/// Builds the Cloud Run services for images without a C library: static, and at a fixed address, so that there is nothing
/// to relocate. The deploy engine says which there are, and for which target.
fn build_services(quiet: bool) -> Result<(), Failure> {
    let wanted = services()?;
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for service in wanted["services"].as_array().into_iter().flatten() {
        let mut build = cargo();
        build.args(["rustc", "--profile", FUNCTION_PROFILE]);
        build.args(["--package", &text(service, "package"), "--bin", &text(service, "binary")]);
        if let Some(target) = wanted["target"].as_str() {
            build.args(["--target", target]);
        }
        if quiet {
            build.arg("--quiet");
        }
        build.args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
        build_with(&mut build)?;
    }
    Ok(())
}

fn services() -> Result<Value, Failure> {
    let mut deploy = program("deploy");
    let output = deploy.arg("services").stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| {
        Failure::Lacking(format!("run {}: {error}", deploy.get_program().display()))
    })?;
    if !output.status.success() {
        return Err(passed(output.status));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::Broken(format!("read what `deploy services` says: {error}")))
}

fn build_programs(quiet: bool) -> Result<(), Failure> {
    let mut build = cargo();
    build.args(["build", "--release", "--workspace", "--bins"]);
    if quiet {
        build.arg("--quiet");
    }
    build_with(&mut build)
}

fn build_with(build: &mut Command) -> Result<(), Failure> {
    let status = build.status().map_err(|error| Failure::lacking(format!("run cargo: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Lacking("the build failed; see above".to_owned()))
}

/// What the packer prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Print {
    Nothing,
    Table,
    Json,
}

/// Packs the functions into what is deployed.
pub(crate) fn package(print: Print) -> Result<(), Failure> {
    let target = services()?["target"].as_str().map(str::to_owned);
    let mut package = program("deploy");
    package.arg("package");
    package.arg("--service-bin-dir");
    package.arg(workspace::target_dir().join(target.unwrap_or_default()).join(FUNCTION_PROFILE));
    package.arg("--lambda-bin-dir").arg(workspace::lambda_bin_dir());
    package.arg("--out-dir").arg(workspace::artifacts_dir());
    match print {
        Print::Nothing => package.stdout(Stdio::null()),
        Print::Table => &mut package,
        Print::Json => package.arg("--json"),
    };
    run(&mut package)
}

/// Runs a program of ours to its end; it has our exit codes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    Err(passed(status))
}

fn passed(status: ExitStatus) -> Failure {
    Failure::Passed(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Runs somebody else's program to its end; its exit codes mean what they mean there.
pub(crate) fn check(command: &mut Command) -> Result<(), Failure> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Broken(format!("{} failed: {status}", words(command))))
}

/// Runs somebody else's program to its end, and gives what it said instead of showing it.
pub(crate) fn captured(command: &mut Command) -> Result<String, Failure> {
    let shown = words(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::Lacking(format!("run {shown}: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() {
        return Ok(said);
    }
    Err(Failure::Broken(format!("{shown} failed: {}\n{}", output.status, said.trim())))
}

fn words(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn status(command: &mut Command) -> Result<ExitStatus, Failure> {
    let program = command.get_program().to_owned();
    command
        .status()
        .map_err(|error| Failure::Lacking(format!("run {}: {error}", program.display())))
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root());
    // What `cargo run` sets for this program is not for the ones it runs.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    command
}

/// Becomes a program of ours, with our own arguments.
pub(crate) fn exec(name: &str) -> Result<(), Failure> {
    let mut command = program(name);
    let error = command.args(env::args_os().skip(1)).exec();
    Err(Failure::Lacking(format!("run {}: {error}", command.get_program().display())))
}

/// A program of ours, which is told where this checkout is.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(workspace::bin_dir().join(name));
    command.env("TWINCLOUD_ROOT", workspace::root());
    command.env("TWINCLOUD_ARTIFACTS", workspace::artifacts_dir());
    command
}

/// Whether a program answers `--version`.
pub(crate) fn has(program: impl AsRef<OsStr>, version_args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(version_args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
