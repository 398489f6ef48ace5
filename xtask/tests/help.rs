//! The help of each command as a person sees it, whole.

use std::process::Command;

/// The help of a command, and that of its subcommands.
fn snapshots(words: &[&str]) {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.args(words).arg("--help").output().expect("run xtask");
    assert!(output.status.success(), "{words:?}: {output:?}");
    let help = String::from_utf8(output.stdout).expect("the help is UTF-8");
    insta::assert_snapshot!([&["xtask"], words].concat().join("-"), help);
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().lines();
    // One that wraps goes on further to the right.
    let names = listed.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then_some(name)
    });
    for name in names {
        snapshots(&[words, &[name]].concat());
    }
}

#[test]
fn each_command_has_this_help() {
    snapshots(&[]);
}
