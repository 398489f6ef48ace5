//! However a run ends, it leaves no process behind.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::Checkout;
use crate::trees::{eventually, eventually_within};

/// Processes that work in a folder or below it: every emulator and function of a run does.
pub(crate) fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().expect("the folder is there");
    let entries = std::fs::read_dir("/proc").expect("read /proc").filter_map(Result::ok);
    let inside = entries.filter(|entry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
    });
    inside
        .filter_map(|entry| {
            let comm = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some(format!("{} {}", entry.file_name().display(), comm.trim_end()))
        })
        .collect()
}

/// A run that goes on for minutes, once messages flow.
pub(crate) fn long_run(checkout: &Checkout) -> Child {
    long_run_with(checkout, &[])
}

/// One with further options.
pub(crate) fn long_run_with(checkout: &Checkout, more: &[&str]) -> Child {
    let words = ["e2e", "--target", "processes", "--trades", "generate:200000:1", "--rate", "2000"];
    let mut e2e = checkout.harness(&[&words, more].concat());
    e2e.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = e2e.spawn().expect("start the harness");
    let bootstraps = || {
        let processes = processes_in(checkout.dir.path());
        let there = processes.iter().any(|process| process.ends_with("bootstrap"));
        if there { Ok(()) } else { Err(format!("no bootstrap yet: {processes:?}")) }
    };
    // Starts four emulators first.
    let limit = Duration::from_mins(1);
    eventually_within(limit, "run that has reached the functions", bootstraps);
    assert!(run.try_wait().expect("ask for it").is_none(), "the run goes on");
    run
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).expect("send the signal");
}

pub(crate) fn assert_nothing_left(checkout: &Checkout) {
    eventually("nothing of the run is left", || {
        let left = processes_in(checkout.dir.path());
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
