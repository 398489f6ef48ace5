//! `cargo xtask produce`: the producer, configured by the settings.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use args::DeployTarget;
use cli::Failure;
use deploy::commands::DeployContext;
use infra::Checkout;

/// Replaces this process by the producer.
pub(super) fn run(args: &args::Produce, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    site.at_home("the producer")?;
    let program = env::current_exe().context("find this program")?.with_file_name("producer");
    let mut producer = Command::new(&program);
    producer.envs(site.settings.producer_env());
    if let Some(local) = &site.local {
        producer.envs(local.variables());
    }
    producer.args(words(args, &site));
    // Returns only on failure.
    let error = producer.exec();
    Err(Failure::missing(anyhow!(
        "run {}: {error}; `cargo xtask build` makes it",
        program.display()
    )))
}

fn words(args: &args::Produce, site: &DeployContext) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--source".into(), (&args.source).into()];
    for symbol in &args.symbols {
        words.extend(["--symbol".into(), symbol.into()]);
    }
    words.extend(args.strict_input.then(|| "--strict-input".into()));
    let spool = args.spool.clone().unwrap_or_else(|| spool(site));
    let options: [(&str, Option<OsString>); 5] = [
        ("--speed", args.speed.as_ref().map(Into::into)),
        ("--rate", args.rate.map(|rate| rate.to_string().into())),
        ("--spool", Some(spool.into())),
        ("--events", args.events.as_ref().map(Into::into)),
        ("--status", args.status.as_ref().map(Into::into)),
    ];
    for (name, value) in options {
        words.extend(value.into_iter().flat_map(|value| [name.into(), value]));
    }
    words
}

/// The default folder of a producer's spool: outside the build folder, so that `cargo clean` spares it, unless it is
/// for emulators.
pub(super) fn spool(site: &DeployContext) -> PathBuf {
    // One producer serves all regions.
    let environment = site.settings.home();
    match site.target() {
        DeployTarget::Processes => site.checkout.root.join("target/spool").join(environment),
        DeployTarget::Cloud => site.checkout.root.join("outputs").join(environment).join("spool"),
    }
}

/// The path of its status file.
pub(super) fn status(site: &DeployContext) -> PathBuf {
    spool(site).join("status.json")
}
