//! `cargo xtask test`: the whole suite in one runner.

use crate::exit::Failure;
use crate::heavy::{self, Print};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail where the emulators can't run, instead of leaving their tests out.
    #[arg(long)]
    require_emulators: bool,
    /// Arguments for the test runner, after `--`; such as a part of a test's name.
    #[arg(last = true)]
    filter: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let report = toolbox::Report::collect(&toolbox::Env::from_process());
    let lacking = report.processes_target().err();
    if let Some(lacking) = &lacking {
        let names: Vec<_> = lacking.iter().map(|item| item.name.as_str()).collect();
        let names = names.join(", ");
        if args.require_emulators {
            return Err(Failure::Lacking(format!(
                "the emulators' tests need {names}; see `cargo xtask doctor`"
            )));
        }
        eprintln!("note: the tests on emulators are left out: no {names} (`cargo xtask doctor`)");
    }
    if args.require_emulators && !heavy::has("docker-registry", &["--version"]) {
        return Err(Failure::Lacking(
            "the images' tests need docker-registry; see `cargo xtask doctor`".to_owned(),
        ));
    }
    heavy::build_all(false)?;
    heavy::package(Print::Nothing)?;
    let emulators = lacking.is_none();
    let mut tests = heavy::cargo();
    if heavy::has("cargo-nextest", &["nextest", "--version"]) {
        tests.args(["nextest", "run", "--cargo-profile", "release", "--workspace"]);
        if !emulators {
            tests.args(["-E", "not test(/^on_emulators::/)"]);
        }
        tests.args(&args.filter);
    } else {
        tests.args(["test", "--release", "--workspace", "--"]);
        if !emulators {
            tests.args(["--skip", "on_emulators::"]);
        }
        tests.args(&args.filter);
    }
    tests.env("TWINCLOUD_ROOT", workspace::root());
    tests.env("TWINCLOUD_ARTIFACTS", workspace::artifacts_dir());
    heavy::check(&mut tests)
}
