//! A process started by a program of this workspace reaches this machine directly, whatever proxy the
//! environment names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Records the environment, and ends `xtask terraform` at its first step.
const TERRAFORM: &str = r#"#!/bin/sh
printf '%s|%s|%s' "$NO_PROXY" "$no_proxy" "$HTTP_PROXY" > "$NOTES"
test "$1" != fmt
"#;

#[test]
fn a_child_is_told_to_spare_loopback() {
    let folder = std::env::temp_dir().join(format!("twincloud-proxy-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (program, notes) = (folder.join("terraform"), folder.join("notes"));
    fs::write(&program, TERRAFORM).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [folder.clone()].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).expect("a path");
    let run = |proxy: &str, exceptions: &str| {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.arg("terraform").env("NOTES", &notes);
        xtask.env("PATH", &path);
        for name in
            ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "no_proxy"]
        {
            xtask.env_remove(name);
        }
        xtask.env("HTTP_PROXY", proxy).env("NO_PROXY", exceptions);
        let output = xtask.output().expect("it runs");
        assert!(!output.status.success(), "the script stops it");
        fs::read_to_string(&notes).expect("what the script noted")
    };
    let proxy = "http://127.0.0.1:9";
    let all = "localhost,127.0.0.1,127.0.0.0/8,::1";
    assert_eq!(run(proxy, ""), format!("{all}|{all}|{proxy}"));
    assert_eq!(run(proxy, "a.example"), format!("a.example,{all}|a.example,{all}|{proxy}"));
    assert_eq!(run("", "a.example"), "a.example||", "without a proxy nothing is changed");
    fs::remove_dir_all(&folder).expect("it is ours");
}

/// Each program that calls emulators starts so, and so does xtask, whose tests call them.
#[test]
fn every_program_begins_so() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    for main in ["xtask", "infra/deploy", "infra/operate", "integration-tests"] {
        let main = root.join(main).join("src/main.rs");
        let text = fs::read_to_string(&main).expect("a main");
        let body = text.split("fn main() -> ExitCode {\n").nth(1).expect("a main function");
        let first = body.lines().next().unwrap_or_default().trim();
        assert_eq!(first, "args::spare_loopback();", "{}", main.display());
    }
}

/// HTTP clients are built by `outbound`, which excludes local addresses from the proxy, or have no proxy at
/// all.
#[test]
fn every_http_client_spares_loopback() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open: Vec<_> =
        ["functions", "infra", "integration-tests/src"].map(|folder| root.join(folder)).into();
    // Downloads come from other machines.
    let may = ["functions/outbound/src/lib.rs", "src/processes/fetch/download.rs"];
    let (mut seen, mut wrong) = (0, Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let is_tests = path.ends_with("tests");
            let entries = fs::read_dir(&path).expect("a folder").filter(|_| !is_tests);
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !may.iter().any(|may| path.ends_with(may))
        {
            let text = fs::read_to_string(&path).expect("a source");
            seen += 1;
            for made in ["Client::builder()", "Client::new()", "reqwest::get("] {
                let uses = text.match_indices(made);
                // In the same statement, or the one after it.
                let is_wrong = |at: usize| {
                    !text[at..].split(';').take(2).any(|made| made.contains(".no_proxy()"))
                };
                let uses = uses.filter(|(at, _)| is_wrong(*at));
                wrong.extend(uses.map(|_| format!("{}: {made}", path.display())));
            }
        }
    }
    assert!(seen > 200, "{seen} files");
    assert!(wrong.is_empty(), "use outbound::client, or no_proxy(): {wrong:#?}");
}
