//! `cargo xtask fuzz`: every decoder, for a bounded time.

use std::process::Command;
use std::{env, fs};

use crate::exit::Failure;
use crate::{heavy, workspace};

pub(crate) fn run(args: &args::Fuzz) -> Result<(), Failure> {
    if let Err(lacking) = available() {
        if args.if_available {
            eprintln!("note: no fuzzing: {lacking}");
            return Ok(());
        }
        return Err(Failure::MissingPrerequisite(lacking));
    }
    for target in targets()? {
        eprintln!("fuzzing {target} for {} s", args.seconds);
        // New inputs are written into the first folder; the seeds in the repository stay unchanged.
        let corpus = format!("fuzz/corpus/{target}");
        let seeds = format!("fuzz/seeds/{target}");
        let corpus_dir = workspace::root().join(&corpus);
        fs::create_dir_all(&corpus_dir).map_err(|error| {
            Failure::missing(format!("create {}: {error}", corpus_dir.display()))
        })?;
        let mut fuzz = Command::new("cargo");
        fuzz.current_dir(workspace::root());
        fuzz.env_remove("RUSTUP_TOOLCHAIN");
        fuzz.args([&compiler(), "fuzz", "run", &target, &corpus, &seeds, "--"]);
        fuzz.arg(format!("-max_total_time={}", args.seconds));
        fuzz.args(["-max_len=65536", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]);
        heavy::check(&mut fuzz)?;
    }
    Ok(())
}

/// The compiler's name for rustup: the installed nightly, or that of the day in
/// `TWINCLOUD_NIGHTLY=nightly-2026-05-20`.
fn compiler() -> String {
    format!("+{}", env::var("TWINCLOUD_NIGHTLY").unwrap_or_else(|_| "nightly".to_owned()))
}

fn available() -> Result<(), String> {
    let compiler = compiler();
    if !heavy::has("rustc", &[&compiler, "--version"]) {
        let name = compiler.trim_start_matches('+');
        return Err(format!("no {name} compiler: `rustup toolchain install {name}`"));
    }
    if !heavy::has("cargo-fuzz", &["--version"]) {
        return Err("no cargo-fuzz: `cargo install cargo-fuzz --locked`".to_owned());
    }
    Ok(())
}

fn targets() -> Result<Vec<String>, Failure> {
    let dir = workspace::root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&dir)
        .map_err(|error| Failure::missing(format!("read {}: {error}", dir.display())))?;
    let mut targets: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(ToOwned::to_owned))
        .collect();
    targets.sort();
    Ok(targets)
}
