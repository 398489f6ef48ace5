//! The complete help of each command.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use clap::CommandFactory as _;

/// The help of a command, and that of its subcommands.
fn snapshots(words: &[&str]) {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.args(words).arg("--help").output().expect("run xtask");
    assert!(output.status.success(), "{words:?}: {output:?}");
    let help = String::from_utf8(output.stdout).expect("the help is UTF-8");
    insta::assert_snapshot!([&["xtask"], words].concat().join("-"), help);
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().lines();
    // A wrapped line is indented further.
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

/// The commands that delete or replace parts of a deployment: they ask for confirmation.
const ASK: [&str; 4] = ["chaos", "deploy", "destroy", "dlq drop"];
/// Commands that change a deployment without asking: they only add, or the same command can undo it.
const DO_NOT_ASK: [&str; 9] = [
    "chaos heal",
    "dlq replay",
    "failover",
    "image push",
    "produce",
    "restore",
    "sync run",
    "sync start",
    "sync stop",
];
/// Commands that only change files and processes of this machine.
const NO_DEPLOYMENT: [&str; 22] = [
    "bench",
    "build",
    "ci",
    "dlq list",
    "dlq show",
    "doctor",
    "down",
    "drift",
    "e2e",
    "fuzz",
    "images build",
    "lint",
    "outputs",
    "plan",
    "render",
    "status",
    "sync monitor",
    "sync status",
    "terraform",
    "test",
    "up",
    "verify",
];
/// Of the commands that ask, those that need the stack's name in a protected environment.
const BY_NAME: [&str; 2] = ["chaos", "destroy"];

/// The options of each command, with their help; empty for a command that only has subcommands.
fn options(
    name: &str,
    command: &clap::Command,
    all: &mut BTreeMap<String, BTreeMap<String, String>>,
) {
    for below in command.get_subcommands() {
        let name = format!("{name} {}", below.get_name());
        options(name.trim(), below, all);
    }
    let options = command.get_arguments().filter_map(|argument| {
        let help = argument.get_help().map(ToString::to_string);
        Some((argument.get_long()?.to_owned(), help.unwrap_or_default()))
    });
    if !command.is_subcommand_required_set() {
        all.insert(name.to_owned(), options.collect());
    }
}

#[test]
fn what_asks_takes_yes_and_says_so_in_the_same_words() {
    let mut all = BTreeMap::new();
    options("", &args::Cli::command(), &mut all);
    let with = |option: &str| -> Vec<&str> {
        let having = all.iter().filter(|(_, options)| options.contains_key(option));
        having.map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(with("yes"), ASK, "`--yes` is of the commands that ask");
    assert_eq!(with("confirm"), BY_NAME);
    let listed: BTreeSet<&str> =
        [&ASK[..], &DO_NOT_ASK, &NO_DEPLOYMENT].concat().into_iter().collect();
    assert_eq!(listed, all.keys().map(String::as_str).collect(), "each command is in one list");
    for name in ASK {
        let said = &all[name]["yes"];
        assert!(said.starts_with("Don't ask before "), "{name}: {said}");
        let by_name =
            said.ends_with("A protected environment still needs the stack's name: `--confirm`");
        assert_eq!(by_name, BY_NAME.contains(&name), "{name}: {said}");
    }
    let confirm = BY_NAME.map(|name| &all[name]["confirm"]);
    assert_eq!(confirm[0], confirm[1]);
}
