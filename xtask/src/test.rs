//! `cargo xtask test`: the whole suite in one runner.

use toolbox::{Need, STATIC_LIBC};

use crate::changed::Selection;
use crate::exit::Failure;
use crate::heavy::{self, Destination, Print};
use crate::workspace;

pub(crate) fn run(args: &args::Test) -> Result<(), Failure> {
    // The tests check this checkout's own code, so no program of a release is used.
    crate::release::compile_everything();
    let has_nextest = heavy::has("cargo-nextest", &["nextest", "--version"]);
    let changed = match &args.changed {
        Some(_) if !has_nextest => {
            return Err(Failure::MissingPrerequisite(
                "--changed needs cargo-nextest: `cargo install cargo-nextest --locked`".to_owned(),
            ));
        }
        Some(revision) => Selection::since(revision)?.expression(),
        None => None,
    };
    if changed.as_deref() == Some("none()") {
        eprintln!("nothing differs from {}", args.changed.as_deref().unwrap_or_default());
        return Ok(());
    }
    let report = toolbox::Report::collect(&toolbox::Env::from_process());
    let lacking = report.processes_target().err();
    if let Some(lacking) = &lacking {
        let names: Vec<_> = lacking.iter().map(|item| item.name.as_str()).collect();
        let names = names.join(", ");
        if args.require_emulators {
            return Err(Failure::MissingPrerequisite(format!(
                "the emulators' tests need {names}; see `cargo xtask doctor`"
            )));
        }
        eprintln!("note: the tests on emulators are left out: no {names} (`cargo xtask doctor`)");
    }
    if args.require_emulators && !heavy::has("docker-registry", &["--version"]) {
        return Err(Failure::MissingPrerequisite(
            "the images' tests need docker-registry; see `cargo xtask doctor`".to_owned(),
        ));
    }
    heavy::build_and_package(Destination::ThisMachine, false, Print::Nothing)?;
    let mut left_out = Vec::new();
    if lacking.is_some() {
        left_out.push("on_emulators::");
    }
    if report
        .target(Need::Deploy)
        .is_err_and(|missing| missing.iter().any(|item| item.name == STATIC_LIBC))
    {
        // Functions in containers use another C library, so they must be static.
        eprintln!(
            "note: the tests of images and on containers are left out: no {STATIC_LIBC} (`cargo xtask doctor`)"
        );
        left_out.extend(["on_emulators::images::", "on_emulators::containers::"]);
    }
    let mut tests = heavy::cargo();
    if has_nextest {
        tests.args(["nextest", "run", "--cargo-profile", "release", "--workspace"]);
        let without =
            (!left_out.is_empty()).then(|| format!("not test(/^({})/)", left_out.join("|")));
        let parts: Vec<String> =
            changed.into_iter().chain(without).map(|part| format!("({part})")).collect();
        if !parts.is_empty() {
            tests.args(["-E", &parts.join(" & ")]);
        }
    } else {
        tests.args(["test", "--release", "--workspace", "--"]);
        tests.args(left_out.iter().flat_map(|path| ["--skip", path]));
    }
    tests.args(&args.filter);
    tests.env("TWINCLOUD_ROOT", workspace::root());
    tests.env("TWINCLOUD_ARTIFACTS", workspace::artifacts_dir());
    heavy::docker_host(&mut tests);
    heavy::check(&mut tests)
}
