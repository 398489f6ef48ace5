//! The commands in the documents exist, and each is run by a test or has a reason why not.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use args::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};
use test_checkout::documented::{self, COMMANDS, Test, WALKS, commands, test_of};
use test_checkout::documents::Document;
use test_checkout::{Ran, workspace};

/// Options of other programs that the text names.
const FOREIGN_OPTIONS: [&str; 9] = [
    "--",
    "--aws-audience",
    "--aws-role",
    "--config",
    "--file",
    "--listen",
    "--re",
    "--source-digest",
    "--workspace",
];
/// A program of the same name as one of our commands.
const FOREIGN_PROGRAM: &str = "terraform";

fn documents() -> Vec<Document> {
    let mut documents = Document::all(workspace());
    // An option of an earlier version may no longer exist.
    documents.retain(|document| document.path != Path::new("CHANGELOG.md"));
    documents
}

/// A word that stands for any value: in capital letters, such as `FILE` or `HOST/PATH`, or in angle brackets, or `…`.
fn is_placeholder(word: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || "_/:@|[]".contains(c);
    word.contains('<') || word.contains('…') || (!word.is_empty() && word.chars().all(is_capital))
}

/// The error of a command line; `None` if the parser accepts it. `is_mention`: required arguments may be missing, as in a
/// mention of the command.
fn fault(words: &[&str], is_mention: bool) -> Option<String> {
    let error = Cli::try_parse_from(words).err()?;
    let is_fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => is_mention,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidSubcommand => {
            [ContextKind::InvalidValue, ContextKind::InvalidSubcommand].iter().any(|kind| {
                matches!(error.get(*kind), Some(ContextValue::String(word)) if is_placeholder(word))
            })
        }
        _ => false,
    };
    (!is_fine).then(|| error.to_string())
}

/// The words of `cargo xtask …` for the parser, whose program is both.
fn of_xtask<'w>(words: &[&'w str]) -> Option<Vec<&'w str>> {
    let ["cargo", "xtask", rest @ ..] = words else { return None };
    Some([&["cargo xtask"], rest].concat())
}

#[test]
fn every_command_of_a_block_is_one_that_the_parser_takes() {
    let documents = documents();
    let all = commands(&documents.iter().collect::<Vec<_>>());
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for command in &all {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let Some(words) = of_xtask(&words) else { continue };
        looked_at += 1;
        wrong.extend(fault(&words, false).map(|fault| format!("{}: {fault}", command.place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 40, "only {looked_at} commands were found");
}

#[test]
fn every_command_in_the_text_is_one_that_the_parser_takes() {
    let cli = Cli::command();
    let names: BTreeSet<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for document in documents() {
        for (line, span) in document.spans() {
            let Some(words) = shell_words(&span) else { continue };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let words = match (of_xtask(&words), &words[..]) {
                (Some(words), _) => words,
                // A name alone may mean something else; with further words it is a command.
                (None, [name, _, ..]) if names.contains(name) && *name != FOREIGN_PROGRAM => {
                    [&["cargo xtask"], &words[..]].concat()
                }
                _ => continue,
            };
            looked_at += 1;
            let place = format!("{}:{line}: `{span}`", document.path.display());
            wrong.extend(fault(&words, true).map(|fault| format!("{place}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 80, "only {looked_at} commands were found");
}

/// A lone option, such as `--kill-functions` or `--target sim`, must be one of some command, and its value must be valid.
#[test]
fn every_option_in_the_text_is_one_of_a_command() {
    let mut known: Vec<clap::Arg> = Vec::new();
    collect(&Cli::command(), &mut known);
    let is_value = |argument: &clap::Arg, value: &str| {
        let values = argument.get_possible_values();
        values.is_empty() || is_placeholder(value) || values.iter().any(|v| v.get_name() == value)
    };
    let is_known = |option: &str, value: Option<&str>| {
        let named =
            known.iter().filter(|argument| argument.get_long() == option.strip_prefix("--"));
        let mut named = named.peekable();
        let is_flag = option == "--help" || FOREIGN_OPTIONS.contains(&option);
        is_flag || named.any(|argument| value.is_none_or(|value| is_value(argument, value)))
    };
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    // Pages for users only: the crates' own pages have other programs' options.
    let is_page = |document: &Document| {
        document.path.starts_with("docs") || document.path.parent() == Some(Path::new(""))
    };
    for document in documents().into_iter().filter(is_page) {
        for (line, span) in document.spans() {
            let mut words = span.split([' ', '=']);
            let Some(option) = words.next().filter(|word| word.starts_with("--")) else { continue };
            looked_at += 1;
            if !is_known(option, words.next()) {
                wrong.push(format!("{}:{line}: `{span}`", document.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "options or values that no command has:\n{}", wrong.join("\n"));
    assert!(looked_at > 30, "only {looked_at} options were found");
}

fn collect(command: &clap::Command, known: &mut Vec<clap::Arg>) {
    known.extend(command.get_arguments().cloned());
    command.get_subcommands().for_each(|command| collect(command, known));
}

/// The words of a span; `None` if its quotes do not pair, as in code.
fn shell_words(span: &str) -> Option<Vec<String>> {
    span.starts_with(|c: char| c.is_ascii_lowercase()).then(|| shlex::split(span)).flatten()
}

#[test]
fn every_command_of_a_block_is_run_by_a_test_or_says_why_not() {
    let documents = documents();
    let all = commands(&documents.iter().collect::<Vec<_>>());
    let lacking: Vec<String> = all
        .iter()
        .filter(|command| test_of(&command.line()).is_none())
        .map(|command| format!("{}: {}", command.place, command.line()))
        .collect();
    assert!(lacking.is_empty(), "give them a row in documented::COMMANDS:\n{}", lacking.join("\n"));
    let there: BTreeSet<String> = all.iter().map(documented::Documented::line).collect();
    let gone: Vec<&str> =
        COMMANDS.iter().map(|(line, _)| *line).filter(|line| !there.contains(*line)).collect();
    assert!(gone.is_empty(), "no document has these any more:\n{}", gone.join("\n"));
    let once: BTreeSet<&str> = COMMANDS.iter().map(|(line, _)| *line).collect();
    assert_eq!(once.len(), COMMANDS.len(), "a command has two rows");
}

#[test]
fn every_command_for_emulators_is_on_a_page_whose_commands_are_given() {
    let documents = documents();
    let of = |pages: &[&Document]| -> BTreeSet<String> {
        let lines = commands(pages).into_iter().map(|command| command.line());
        lines.filter(|line| matches!(test_of(line), Some(Test::Emulators(_)))).collect()
    };
    let walks = WALKS.iter().flat_map(|(_, pages)| documented::at(&documents, pages));
    assert_eq!(of(&walks.collect::<Vec<_>>()), of(&documents.iter().collect::<Vec<_>>()));
}

/// Otherwise a block of commands or output would be checked by no test.
#[test]
fn every_block_says_what_it_is() {
    let mut wrong = Vec::new();
    for document in documents() {
        for block in document.blocks() {
            let is_known = match block.language() {
                "sh" | "json" | "mermaid" | "rust" | "toml" => true,
                // Calls of modules; `infra/tests/modules.rs` holds the examples against the variables.
                "hcl" => ["terraform", "terraform-gcp"]
                    .iter()
                    .any(|root| document.path.starts_with(root)),
                // The crates' own pages show formats.
                "text" => block.output_of().is_some() || document.path.starts_with("functions"),
                _ => false,
            };
            if !is_known {
                let place = format!("{}:{}", document.path.display(), block.line);
                wrong.push(format!("{place}: ```{}", block.info));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "name the language: sh for commands, text output-of=\"…\" for an output:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn what_xtask_does_by_itself_ends_well() {
    let documents = documents();
    for command in commands(&documents.iter().collect::<Vec<_>>()) {
        if test_of(&command.line()) != Some(Test::Xtask) {
            continue;
        }
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let ran = Ran::of(&xtask.args(&command.words[2..]).output().expect("run xtask"));
        ran.assert_code(0);
        command.assert_shown(&ran.stdout);
        assert!(!ran.stdout.is_empty(), "{} prints nothing", command.line());
    }
}

#[test]
fn a_command_that_is_none_is_found_and_a_placeholder_is_not() {
    let fault = |line: &str, is_mention| {
        fault(&[&["cargo xtask"], &line.split(' ').collect::<Vec<_>>()[..]].concat(), is_mention)
    };
    assert_eq!(fault("chaos --kill aws --seed 7", false), None);
    assert_eq!(fault("chaos --schedules N", false), None);
    assert_eq!(fault("<command> --help", true), None);
    assert_eq!(fault("deploy", true), None);
    for (line, is_mention) in [
        ("deploy", false),
        ("chaos --kil aws", true),
        ("chaos --kill azure", true),
        ("chaos --schedules many", true),
        ("no-such", true),
        ("deploy gcp aws", true),
    ] {
        assert!(fault(line, is_mention).is_some(), "{line}");
    }
}
