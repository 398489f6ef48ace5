//! Builds the programs that do the work, each from one package selection, and runs them.
//!
//! The selections are always the same: another one would change feature unification and rebuild a hundred crates.

use std::collections::BTreeSet;
use std::env;
use std::env::consts::EXE_SUFFIX;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use args::{DeployTarget, Target, Trades};
use serde_json::Value;
use toolbox::{DEV_CONTAINER, Env, Platform, Report};

use crate::exit::Failure;
use crate::release;
use crate::workspace;

/// The programs that are packed as Lambda functions.
const LAMBDA_BOOTSTRAPS: [&str; 2] = ["aws-ingest", "aws-replicate"];
/// CPU minutes of a first build of all programs and functions: 73.5 on a machine of 2 cores.
const FIRST_BUILD_CPU_MIN: usize = 74;
/// See `[profile.function]`.
const FUNCTION_PROFILE: &str = "function";

/// `e2e` sends messages through the packed functions, so it packs them first; simulated clouds have none. If no target is
/// given, a run on simulated clouds comes first: its program is built within a minute, the others take long.
pub(crate) fn e2e(args: &args::E2e) -> Result<(), Failure> {
    let has_processes = || Report::collect(&Env::from_process()).processes_target().is_ok();
    let trades = match args.target {
        Target::Sim => return sim(Build::Quick),
        Target::Processes | Target::Containers => None,
        // The harness reports that this target can't be used.
        Target::Cloud | Target::Up => return harness(),
        Target::Auto if !has_processes() => {
            // A given image can't run on simulated clouds, which the harness reports.
            return if args.gcp_image.is_some() { harness() } else { sim(Build::Quick) };
        }
        Target::Auto if args.gcp_image.is_some() => None,
        Target::Auto => first_verdict(args)?,
    };
    build_and_package(destination(args.target), args.json, Print::Nothing)?;
    let mut words: Vec<OsString> = env::args_os().skip(1).collect();
    if let Some(trades) = trades {
        words = without_trades(words);
        words.push(format!("--trades={trades}").into());
    }
    become_program(&mut program("harness"), words)
}

/// The most generated trades of a first verdict: the quick build is not optimised.
const FIRST_TRADES: u64 = 50_000;

/// Runs simulated clouds on generated trades, and returns those, with their seed, for the next run. The report goes to
/// standard error, as that of the next run is the command's output. A broken verdict ends the command. A recording, which
/// may be long, gets no first verdict.
fn first_verdict(args: &args::E2e) -> Result<Option<Trades>, Failure> {
    let Trades::Generate { count, seed } = args.trades else { return Ok(None) };
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff)
    });
    build_sim(Build::Quick)?;
    let mut sim = sim_program(Build::Quick);
    let first = Trades::Generate { count: count.min(FIRST_TRADES), seed: Some(seed) };
    sim.args(["e2e", "--target", "sim"]).arg(format!("--trades={first}"));
    sim.args(args.aws_emulator.map(|emulator| format!("--aws-emulator={emulator}")));
    sim.args(args.symbols.iter().map(|symbol| format!("--symbol={symbol}")));
    sim.args(args.sets.iter().map(|set| format!("--set={set}")));
    sim.args(args.rate.map(|rate| format!("--rate={rate}")));
    sim.arg(format!("--poison={}", args.poison));
    sim.arg(format!("--kill-functions={}", args.kill_functions));
    run(sim.stdout(std::io::stderr()))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let time = if released_tools().is_some() {
        "those of the release".to_owned()
    } else if workspace::bin_dir().join("harness").is_file() {
        "what has changed is built".to_owned()
    } else {
        let minutes = FIRST_BUILD_CPU_MIN.div_ceil(cores);
        format!(
            "the first build takes about {minutes} minutes on the {cores} cores of this machine"
        )
    };
    eprintln!(
        "\nnext       a verdict on emulators, as local processes, with the optimised programs: {time}"
    );
    Ok(Some(Trades::Generate { count, seed: Some(seed) }))
}

/// The words of a command line without the option `--trades`.
fn without_trades(words: Vec<OsString>) -> Vec<OsString> {
    let mut is_value = false;
    let is_kept = |word: &OsString| {
        let is_option = word == "--trades";
        let is_dropped = is_option || is_value || word.to_string_lossy().starts_with("--trades=");
        is_value = is_option;
        !is_dropped
    };
    words.into_iter().filter(is_kept).collect()
}

/// `chaos` injects faults around the packed functions, so it packs them first; schedules without a cloud have their own
/// program.
pub(crate) fn chaos(args: &args::Chaos) -> Result<(), Failure> {
    if args.command.is_some() || args.target.is_deployed() && !args.list {
        return harness();
    }
    let is_schedule = args.schedule.is_some() || args.schedules.is_some() || args.plant.is_some();
    if args.list || args.planted || is_schedule || args.target == Target::Sim {
        // A thousand schedules are worth an optimised build.
        let build = if args.schedules.is_some() { Build::Optimised } else { Build::Quick };
        return sim(build);
    }
    build_and_package(destination(args.target), args.json, Print::Nothing)?;
    exec("harness")
}

/// Gives the verdict on a run's files.
pub(crate) fn verify() -> Result<(), Failure> {
    sim(Build::Quick)
}

/// The build of the program `sim`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    /// Compiled in the least time.
    Quick,
    /// Optimised, for long work.
    Optimised,
}

/// Runs `sim` with this command's arguments.
fn sim(build: Build) -> Result<(), Failure> {
    build_sim(build)?;
    become_program(&mut sim_program(build), env::args_os().skip(1))
}

/// Builds `sim` from a package selection of its own, so that no SDK is built for it.
fn build_sim(build: Build) -> Result<(), Failure> {
    if released_sim().is_some() {
        return Ok(());
    }
    let mut cargo = cargo();
    cargo.args(["build", "--package", "sim", "--bin", "sim"]);
    if build == Build::Optimised {
        cargo.arg("--release");
    }
    build_with(&mut cargo)
}

fn released_sim() -> Option<PathBuf> {
    release::take(&release::SIM, || host().ok())
}

fn released_tools() -> Option<PathBuf> {
    release::take(&release::TOOLS, || host().ok())
}

fn released_functions(target: &str) -> Option<PathBuf> {
    release::take(&release::FUNCTIONS, || Some(target.to_owned()))
}

fn sim_program(build: Build) -> Command {
    if let Some(folder) = released_sim() {
        return ours(&folder.join("sim"));
    }
    let profile = if build == Build::Optimised { "release" } else { "debug" };
    ours(&workspace::built_dir().join(profile).join(format!("sim{EXE_SUFFIX}")))
}

/// The platform of the functions: in containers they use the C library of an image, not that of this machine.
fn destination(target: Target) -> Destination {
    if target == Target::Containers { Destination::Anywhere } else { Destination::ThisMachine }
}

/// Runs the harness with this command's arguments.
pub(crate) fn harness() -> Result<(), Failure> {
    build_programs(false)?;
    exec("harness")
}

/// Runs the deploy engine with this command's arguments.
pub(crate) fn deploy(quiet: bool) -> Result<(), Failure> {
    build_programs(quiet)?;
    exec("deploy")
}

/// Runs the operation commands with this command's arguments; standard output is theirs alone.
pub(crate) fn operate() -> Result<(), Failure> {
    build_programs(true)?;
    exec("operate")
}

/// [`deploy`], after building and packing the artifacts to deploy.
pub(crate) fn deploy_artifacts(target: DeployTarget, quiet: bool) -> Result<(), Failure> {
    let destination = match target {
        DeployTarget::Cloud => Destination::Anywhere,
        DeployTarget::Processes => Destination::ThisMachine,
    };
    build_and_package(destination, quiet, Print::Nothing)?;
    exec("deploy")
}

/// The platform that the packed functions will run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Lambda, an image, another machine: all functions are static, so any C library will do.
    Anywhere,
    /// Emulators on this machine: static if this machine can link so, else dynamic.
    ThisMachine,
}

/// Builds the programs of the workspace, the Lambda bootstraps and the Cloud Run services, optimised, and packs the
/// functions. A program that can't be built for the destination is refused before anything is built.
pub(crate) fn build_and_package(
    destination: Destination,
    quiet: bool,
    print: Print,
) -> Result<(), Failure> {
    let host = host()?;
    let is_static = released_functions(&host).is_some() || can_be_static(destination, &host)?;
    build_programs(quiet)?;
    // The deploy engine knows the services and their targets.
    let wanted = services()?;
    let target = wanted["target"].as_str().unwrap_or(&host);
    let services = wanted["services"].as_array().into_iter().flatten().map(|service| {
        let text = |key: &str| service[key].as_str().unwrap_or_default();
        (text("package"), text("binary"))
    });
    let bootstraps = LAMBDA_BOOTSTRAPS.map(|bootstrap| ("programs", bootstrap));
    let (lambdas, services) = if target == host {
        let all: Vec<_> = bootstraps.into_iter().chain(services).collect();
        let folder = build_functions(&all, &host, is_static, quiet)?;
        (folder.clone(), folder)
    } else {
        // The C library of another target is not this machine's.
        let of_target = || build_functions(&services.collect::<Vec<_>>(), target, true, quiet);
        (build_functions(&bootstraps, &host, is_static, quiet)?, of_target()?)
    };
    package(destination, &lambdas, &services, print)
}

/// True if functions can be linked statically; see [`build_functions`].
fn can_be_static(destination: Destination, host: &str) -> Result<bool, Failure> {
    // On other targets, such as musl, the static library comes with Rust.
    if !host.ends_with("-linux-gnu") {
        return Ok(true);
    }
    let env = Env::from_process();
    let Err(why) = toolbox::static_libc::find(&env) else { return Ok(true) };
    let get = toolbox::static_libc::how_to_get(env.platform());
    match destination {
        Destination::Anywhere => Err(Failure::MissingPrerequisite(format!(
            "the functions are linked statically, for which this machine lacks the C library: {why}\nget it: {get}"
        ))),
        Destination::ThisMachine => {
            eprintln!(
                "note: no static C library ({why}), so the functions are linked dynamically: good for emulators on this \
                 machine, not for a deploy (get it: {get})"
            );
            Ok(false)
        }
    }
}

/// Builds functions, each a package and a binary, in the profile of the functions and from packages of their own; see
/// `[profile.function]`. They are static, so that they depend on no version of a C library, and at a fixed address, so that
/// nothing must be relocated at their start. One call builds all of them, linking two at a time. Returns their folder, which
/// is that of the release if they are taken from one.
fn build_functions(
    binaries: &[(&str, &str)],
    target: &str,
    is_static: bool,
    quiet: bool,
) -> Result<PathBuf, Failure> {
    if let Some(folder) = released_functions(target) {
        return Ok(folder);
    }
    let mut build = cargo();
    // The flags apply to the named target: build scripts and macros are built without them.
    build.args(["build", "--profile", FUNCTION_PROFILE, "--target", target]);
    let packages: BTreeSet<_> = binaries.iter().map(|(package, _)| package).collect();
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    build.args(binaries.iter().flat_map(|(_, binary)| ["--bin", binary]));
    if quiet {
        build.arg("--quiet");
    }
    let mut flags = vec!["-Crelocation-model=static".to_owned()];
    if is_static {
        flags.push("-Ctarget-feature=+crt-static".to_owned());
    }
    // cargo takes flags from one source only: the environment, or else its configuration of the target.
    if let Some(users) = user_rustflags() {
        build.env("CARGO_ENCODED_RUSTFLAGS", [users, flags].concat().join("\x1f"));
    } else {
        build.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
    }
    build_with(&mut build)?;
    Ok(workspace::function_bin_dir(target))
}

/// The compiler's flags in the environment, from the first of the two variables that is set; `None` if neither is.
fn user_rustflags() -> Option<Vec<String>> {
    let encoded = env::var("CARGO_ENCODED_RUSTFLAGS").map(|flags| {
        let flags = flags.split('\x1f').filter(|flag| !flag.is_empty());
        flags.map(ToOwned::to_owned).collect()
    });
    let plain = || {
        env::var("RUSTFLAGS").map(|flags| flags.split_whitespace().map(ToOwned::to_owned).collect())
    };
    encoded.or_else(|_| plain()).ok()
}

/// The target that the compiler builds for on this machine, such as `x86_64-unknown-linux-gnu`.
pub(crate) fn host() -> Result<String, Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let about = captured(Command::new(rustc).arg("-vV").current_dir(workspace::root()))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::missing(format!("`rustc -vV` names no host: {about}")));
    host.map(ToOwned::to_owned)
}

fn services() -> Result<Value, Failure> {
    let mut deploy = program("deploy");
    let output = deploy.arg("services").stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| {
        Failure::MissingPrerequisite(format!("run {}: {error}", deploy.get_program().display()))
    })?;
    if !output.status.success() {
        return Err(passed(output.status));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::Failed(format!("read what `deploy services` says: {error}")))
}

fn build_programs(quiet: bool) -> Result<(), Failure> {
    needs_linux(Env::from_process().platform())?;
    if released_tools().is_some() {
        return Ok(());
    }
    let mut build = cargo();
    build.args(["build", "--release", "--workspace", "--bins"]);
    if quiet {
        build.arg("--quiet");
    }
    build_with(&mut build)
}

/// Fails unless this is Linux, which programs that supervise processes, and those built with them, need.
fn needs_linux(platform: Platform) -> Result<(), Failure> {
    if platform.is_linux() {
        return Ok(());
    }
    Err(Failure::MissingPrerequisite(format!(
        "this command needs Linux; here run it in the dev container: {DEV_CONTAINER}\n(simulated clouds run here: \
         `cargo xtask e2e --target sim`)"
    )))
}

fn build_with(build: &mut Command) -> Result<(), Failure> {
    let status = build.status().map_err(|error| Failure::missing(format!("run cargo: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::MissingPrerequisite("the build failed; see above".to_owned()))
}

/// The output of the packer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Print {
    Nothing,
    Table,
    Json,
}

/// Packs the functions in their folders into artifacts.
fn package(
    destination: Destination,
    lambdas: &Path,
    services: &Path,
    print: Print,
) -> Result<(), Failure> {
    let mut package = program("deploy");
    package.arg("package");
    package.arg("--service-bin-dir").arg(services);
    package.arg("--lambda-bin-dir").arg(lambdas);
    package.arg("--out-dir").arg(workspace::artifacts_dir());
    if destination == Destination::ThisMachine {
        package.arg("--this-machine");
    }
    match print {
        Print::Nothing => package.stdout(Stdio::null()),
        Print::Table => &mut package,
        Print::Json => package.arg("--json"),
    };
    run(&mut package)
}

/// Runs a program of this workspace to its end; its exit codes are passed on.
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

/// Runs any other program to its end; a nonzero exit code is a failed check.
pub(crate) fn check(command: &mut Command) -> Result<(), Failure> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Failed(format!("{} failed: {status}", words(command))))
}

/// Runs any other program to its end, and returns its output instead of showing it.
pub(crate) fn captured(command: &mut Command) -> Result<String, Failure> {
    let shown = words(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::MissingPrerequisite(format!("run {shown}: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() {
        return Ok(said);
    }
    Err(Failure::Failed(format!("{shown} failed: {}\n{}", output.status, said.trim())))
}

fn words(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn status(command: &mut Command) -> Result<ExitStatus, Failure> {
    let program = command.get_program().to_owned();
    command.status().map_err(|error| {
        Failure::MissingPrerequisite(format!("run {}: {error}", program.display()))
    })
}

/// The cargo that runs this program, in the workspace.
pub(crate) fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root());
    // A relative one is relative to the user's folder.
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
        if env::var_os(name).is_some() {
            command.env(name, workspace::target_dir());
        }
    }
    // Variables that `cargo run` sets for this program must not reach the programs that it runs.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    command
}

/// Replaces this process by a program of this workspace, with the same arguments.
pub(crate) fn exec(name: &str) -> Result<(), Failure> {
    become_program(&mut program(name), env::args_os().skip(1))
}

fn become_program(
    command: &mut Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<(), Failure> {
    let error = args::replace_by(command.args(words));
    Err(Failure::MissingPrerequisite(format!("run {}: {error}", command.get_program().display())))
}

/// A program of this workspace, with the checkout's path in its environment.
pub(crate) fn program(name: &str) -> Command {
    ours(&released_tools().unwrap_or_else(workspace::bin_dir).join(name))
}

fn ours(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("TWINCLOUD_ROOT", workspace::root());
    command.env("TWINCLOUD_ARTIFACTS", workspace::artifacts_dir());
    docker_host(&mut command);
    command
}

/// The library that starts containers does not know Docker's contexts, only the variable.
pub(crate) fn docker_host(command: &mut Command) {
    if let Some(host) = toolbox::docker::host(&Env::from_process()) {
        command.env("DOCKER_HOST", host);
    }
}

/// True if a program answers `--version`.
pub(crate) fn has(program: impl AsRef<OsStr>, version_args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(version_args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_than_on_linux_a_heavy_command_names_the_dev_container() {
        assert!(needs_linux(Platform::Fedora).is_ok());
        for platform in [Platform::MacOs, Platform::Windows, Platform::Other] {
            let Err(Failure::MissingPrerequisite(why)) = needs_linux(platform) else {
                panic!("{platform:?} is refused")
            };
            assert!(why.contains(DEV_CONTAINER), "{why}");
        }
    }

    #[test]
    fn the_choice_of_trades_is_taken_off_a_command_line_in_both_its_forms() {
        let without = |words: &[&str]| without_trades(words.iter().map(OsString::from).collect());
        for words in [
            &["e2e", "--trades", "generate:5", "--json"][..],
            &["e2e", "--trades=generate:5", "--json"],
            &["e2e", "--json"],
        ] {
            assert_eq!(without(words), ["e2e", "--json"]);
        }
    }
}
