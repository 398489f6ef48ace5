//! The complete output of `cargo xtask` itself: wrong arguments, missing tools, and `doctor`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use test_checkout::{Ran, assert_output, bare};

/// A machine with exactly these programs, each a script, in a folder that is home and search path.
fn machine(programs: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, body) in programs {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("write a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it executable");
    }
    folder
}

fn run(folder: &Path, line: &str) -> Ran {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(line.split_whitespace());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TWINCLOUD_") {
            xtask.env_remove(name);
        }
    }
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .chain(["SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "DOCKER_HOST", "RUSTC"])
    {
        xtask.env_remove(name);
    }
    Ran::of(&bare(&mut xtask, folder).output().expect("run xtask"))
}

#[test]
fn arguments_that_are_wrong() {
    let machine = machine(&[]);
    for (name, line) in [
        ("usage-no-command", ""),
        ("usage-unknown-command", "deply aws"),
        ("usage-no-part", "deploy"),
        ("usage-unknown-part", "deploy azure"),
        ("usage-unknown-option", "destroy aws --force"),
        ("usage-two-choices", "deploy aws --dry-run --code-only"),
        ("usage-restore-from-nothing", "restore aws"),
        ("usage-drop-nothing", "dlq drop aws"),
        ("usage-drop-both", "dlq drop aws 5 --all"),
        ("usage-rate", "e2e --rate 0"),
        ("usage-chaos", "chaos --kill aws --all"),
        ("usage-bench", "bench fold --json"),
    ] {
        assert_output!(name, line, &run(machine.path(), line), machine.path());
    }
}

#[test]
fn a_machine_that_lacks_what_a_command_needs() {
    let machine = machine(&[]);
    if !is_debian() {
        return;
    }
    for (name, line) in [
        ("missing-fuzz", "fuzz"),
        ("missing-fuzz-left-out", "fuzz --if-available"),
        ("missing-terraform", "terraform --require-providers"),
        ("missing-terraform-left-out", "terraform"),
        ("missing-nextest", "test --changed"),
        ("missing-emulators", "test --require-emulators"),
    ] {
        assert_output!(name, line, &run(machine.path(), line), machine.path());
    }
}

#[test]
fn doctor_says_what_is_there_and_what_is_missing() {
    if !is_debian() {
        return;
    }
    let nothing = machine(&[]);
    assert_output!("doctor-nothing", "doctor", &run(nothing.path(), "doctor"), nothing.path());
    let python = machine(&[
        ("python3", "echo 3.13.1"),
        ("docker", "echo no daemon >&2; exit 1"),
        ("cc", "echo cc 14.2.0"),
    ]);
    assert_output!("doctor-python", "doctor", &run(python.path(), "doctor"), python.path());
}

/// True on Debian: the commands to install a missing program depend on the distribution.
fn is_debian() -> bool {
    let is_debian = Path::new("/etc/debian_version").exists();
    if !is_debian {
        eprintln!("skipped: this is no Debian, and the snapshots have its commands");
    }
    is_debian
}
