//! The commands in the documents that need no cloud, as a reader types them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use producer::Generator;
use test_checkout::documented::{self, Test, test_of};
use test_checkout::documents::Document;
use test_checkout::{Checkout, Ran, workspace};

/// Files that the documents name as the reader's own.
fn with_recordings(checkout: &Checkout) {
    let symbol = "BTCUSDT".parse().expect("a symbol");
    let (mut frames, mut rows) = (String::new(), String::new());
    for made in Generator::new(symbol, 2_000, 7) {
        let _ = writeln!(frames, "{}", Generator::frame(&made));
        let trade = &made.trade;
        let _ = writeln!(rows, "{},64000.1,0.5,32000.05,{},True,True", trade.id, trade.time_ms);
    }
    // The content says if a file is compressed, not the name.
    for (name, content) in [("recording.jsonl.gz", frames), ("BTCUSDT-trades-2024-08-08.zip", rows)]
    {
        std::fs::write(checkout.dir.path().join(name), content).expect("write a recording");
    }
}

fn sim(checkout: &Checkout, folder: &Path, words: &[&str]) -> Ran {
    let mut command = checkout.command(Path::new(env!("CARGO_BIN_EXE_sim")), words);
    Ran::of(&command.current_dir(folder).output().expect("run sim"))
}

/// The page with most of them.
const RUNS: &str = "docs/runs.md";

#[test]
fn on_the_page_about_runs_each_holds_and_prints_what_is_shown() {
    assert!(walk(|page| page == Path::new(RUNS)) > 12);
}

#[test]
fn on_all_other_pages_each_holds_and_prints_what_is_shown() {
    assert!(walk(|page| page != Path::new(RUNS)) > 2);
}

/// Gives the commands of these pages, each block's from the root of the checkout; their number.
fn walk(is_wanted: impl Fn(&Path) -> bool) -> usize {
    let documents = Document::all(workspace());
    let mut ran_already = BTreeSet::new();
    for document in documents.iter().filter(|document| is_wanted(&document.path)) {
        let checkout = Checkout::new();
        with_recordings(&checkout);
        // The folder of a run is there to be looked at.
        let words = ["e2e", "--target", "sim", "--trades", "generate:2000:7", "--poison", "3"];
        let mut folder: PathBuf = checkout.dir.path().to_owned();
        let (mut is_prepared, mut block) = (false, 0);
        for command in documented::commands(&[document]) {
            let (more, instead) = match test_of(&command.line()) {
                Some(Test::Sim(more)) => (more, None),
                Some(Test::SimInstead(words)) => (&[][..], Some(words)),
                _ => continue,
            };
            if !ran_already.insert(command.line()) && command.outputs.is_empty() {
                continue;
            }
            println!("{}: {}", command.place, command.line());
            if std::mem::replace(&mut block, command.block) != command.block {
                checkout.dir.path().clone_into(&mut folder);
            }
            let given: Vec<&str> = command.words.iter().map(String::as_str).collect();
            let ran = match &given[..] {
                _ if instead.is_some() => sim(&checkout, &folder, instead.unwrap_or_default()),
                ["cargo", "xtask", rest @ ..] => sim(&checkout, &folder, &[rest, more].concat()),
                ["cd", to] => {
                    if !std::mem::replace(&mut is_prepared, true) {
                        sim(&checkout, &folder, &words).assert_code(0);
                    }
                    folder.push(to);
                    continue;
                }
                [program, rest @ ..] => {
                    let mut other = Command::new(program);
                    let output = other.args(rest).current_dir(&folder).output();
                    Ran::of(&output.unwrap_or_else(|error| panic!("run {program}: {error}")))
                }
                [] => continue,
            };
            ran.assert_code(0);
            command.assert_shown(&ran.stdout);
        }
    }
    ran_already.len()
}

/// The same seed gives the same trades and candles anywhere: what a page shows of a run on emulators holds here too.
#[test]
fn the_trades_and_the_digest_of_a_shown_report_are_those_of_its_seed() {
    let documents = Document::all(workspace());
    let pages = documented::at(&documents, &["README.md", "docs/runs.md"]);
    let commands = documented::commands(&pages);
    let shown = commands.iter().find(|command| command.outputs.len() == 2);
    let shown = shown.expect("both pages show the report of one command");
    let checkout = Checkout::new();
    let given: Vec<&str> = shown.words[2..].iter().map(String::as_str).collect();
    let ran = sim(&checkout, checkout.dir.path(), &[&given[..], &["--target", "sim"]].concat());
    ran.assert_code(0);
    let same = ["trades ", "holds      nothing accepted is lost", "holds      clouds agree"];
    for block in &shown.outputs {
        let lines =
            block.text.lines().filter(|line| same.iter().any(|part| line.starts_with(part)));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), same.len(), "{}", block.text);
        for line in lines {
            assert!(ran.stdout.lines().any(|printed| printed == line), "{line}\n{}", ran.stdout);
        }
    }
}
