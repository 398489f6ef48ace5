//! `harness guard -- PROGRAM ARGS…`: nothing that it starts outlives the harness, not even after a `kill -9` of it.
//!
//! The harness holds the other end of the guard's standard input. When that closes, for whatever reason, the guard
//! ends the program: SIGTERM, a grace, then SIGKILL for every process below it. As a *subreaper* it inherits the
//! processes whose parent has died, so `setsid`, double forks and daemons don't escape. The program runs in a session
//! of its own, so Ctrl-C in the terminal doesn't reach it before the harness has cleaned up.
//!
//! Lines on standard input: `kill` (SIGKILL for the program), `pause` and `resume` (SIGSTOP and SIGCONT for it and all
//! below it), `stop` (as if it closed). With `--report`, lines on standard output: `pid N`, then `exit N` or
//! `signal N`; the program's own output goes to the guard's standard error.

#[cfg(target_os = "linux")]
mod descendants;
#[cfg(target_os = "linux")]
mod linux;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

/// The exit code of the guard when the program could not be started, as a shell has it.
pub const CANNOT_START: u8 = 127;

const USAGE: &str = "usage: harness guard [--grace-ms N] [--report] -- PROGRAM ARGS…";
const GRACE_MS: u64 = 2_000;
const USAGE_EXIT: u8 = 2;

/// Arguments of the guard.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Time between SIGTERM and SIGKILL.
    grace: Duration,
    /// True to write `pid` and `exit` lines.
    report: bool,
    /// In the second stage: the guard that started it, and is to be this process's parent.
    inside: Option<i32>,
    program: OsString,
    args: Vec<OsString>,
}

/// Every process below `ancestor`, children of children too.
#[must_use]
#[cfg(target_os = "linux")]
pub fn below(ancestor: i32) -> Vec<i32> {
    descendants::of(ancestor)
}

/// None: elsewhere nothing is supervised.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn below(_: i32) -> Vec<i32> {
    Vec::new()
}

/// Runs the guard. `argv` is what follows `guard` on the command line.
///
/// Call it first thing in `main`: it blocks signals for its thread, and there must be no other.
#[must_use]
pub fn run(argv: Vec<OsString>) -> ExitCode {
    let Some(request) = parse(argv) else {
        eprintln!("{USAGE}");
        return ExitCode::from(USAGE_EXIT);
    };
    ExitCode::from(start(&request))
}

#[cfg(target_os = "linux")]
fn start(request: &Request) -> u8 {
    let result = match request.inside {
        Some(guard) => Err(linux::become_program(request, guard)),
        None => linux::supervise(request),
    };
    result.unwrap_or_else(|error| {
        eprintln!("guard: {error}");
        CANNOT_START
    })
}

#[cfg(not(target_os = "linux"))]
fn start(_: &Request) -> u8 {
    eprintln!("guard: only Linux can gather the processes that it starts");
    3
}

fn parse(argv: Vec<OsString>) -> Option<Request> {
    let mut argv = argv.into_iter();
    let mut grace = Duration::from_millis(GRACE_MS);
    let mut report = false;
    let mut inside = None;
    loop {
        let option = argv.next()?;
        match option.to_str()? {
            "--" => break,
            "--report" => report = true,
            "--grace-ms" => grace = Duration::from_millis(number(&argv.next()?)?),
            "--inside" => inside = Some(number(&argv.next()?)?),
            _ => return None,
        }
    }
    let program = argv.next()?;
    Some(Request { grace, report, inside, program, args: argv.collect() })
}

fn number<T: std::str::FromStr>(text: &OsStr) -> Option<T> {
    text.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(argv: &[&str]) -> Option<Request> {
        parse(argv.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_come_before_the_program_and_are_never_taken_from_its_arguments() {
        let request = parse_all(&["--grace-ms", "50", "--report", "--", "sh", "--report"])
            .expect("it is well formed");
        assert_eq!(request.grace, Duration::from_millis(50));
        assert!(request.report && request.inside.is_none());
        assert_eq!((request.program, request.args), ("sh".into(), vec!["--report".into()]));
    }

    #[test]
    fn anything_else_is_a_usage_error() {
        for argv in
            [&[][..], &["--"], &["sh"], &["--grace-ms", "--", "sh"], &["--other", "--", "sh"]]
        {
            assert_eq!(parse_all(argv), None, "{argv:?}");
        }
    }
}
