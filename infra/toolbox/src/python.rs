//! Finds a Python that can create virtual environments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Env, Source, process};

const LIMIT: Duration = Duration::from_secs(10);
const OLDEST: (u32, u32) = (3, 10);
const NAMES: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/// Prints the version; on Debian without `python3-venv` it fails after that.
const PROBE: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); sys.stdout.flush(); import venv, ensurepip";

/// A usable Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// The way by which it was found.
    pub source: Source,
}

/// Tries `$TWINCLOUD_PYTHON`, which must be usable if it is set, else searches `PATH` for the first usable
/// one. The error is the reason why the best candidate is not usable.
pub fn find(env: &Env) -> Result<Python, String> {
    if let Some(path) = env.path_var("TWINCLOUD_PYTHON") {
        let version = probe(env, &path).map_err(|why| format!("TWINCLOUD_PYTHON: {why}"))?;
        return Ok(Python { path, version, source: Source::Variable("TWINCLOUD_PYTHON") });
    }
    let mut first_reason = None;
    for path in NAMES.iter().filter_map(|name| env.which(name)) {
        match probe(env, &path) {
            Ok(version) => return Ok(Python { path, version, source: Source::Path }),
            Err(why) => first_reason = first_reason.or(Some(why)),
        }
    }
    Err(first_reason.unwrap_or_else(|| "no python3 on PATH".to_owned()))
}

fn probe(env: &Env, path: &Path) -> Result<String, String> {
    let shown = path.display();
    let output = process::run(env.command(path).args(["-I", "-c", PROBE]), LIMIT)
        .map_err(|error| error.to_string())?;
    let version = output.stdout.trim();
    let Some(numbers) = major_minor(version) else {
        return Err(format!("{shown} does not run: {}", output.first_line()));
    };
    if numbers < OLDEST {
        return Err(format!(
            "{shown} is Python {version}; {}.{} or later is needed",
            OLDEST.0, OLDEST.1
        ));
    }
    if !output.success {
        return Err(format!("{shown} (Python {version}) lacks its modules venv and ensurepip"));
    }
    Ok(version.to_owned())
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    #[test]
    fn the_first_that_will_do_is_taken() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.9.2");
        machine.python("bin/python3.12", "3.12.1");
        let python = find(&machine.env()).expect("python3.12 will do");
        assert_eq!(python.path, machine.path("bin/python3.12"));
        assert_eq!(python.version, "3.12.1");
    }

    #[test]
    fn the_reason_names_what_is_wrong() {
        let machine = Machine::new();
        assert_eq!(find(&machine.env()), Err("no python3 on PATH".to_owned()));
        machine.python("bin/python3", "3.9.2");
        let why = find(&machine.env()).expect_err("too old");
        assert!(why.ends_with("is Python 3.9.2; 3.10 or later is needed"), "{why}");
        machine.script("bin/python3", "echo 3.11.2; echo no module >&2; exit 1");
        let why = find(&machine.env()).expect_err("no venv");
        assert!(why.contains("lacks its modules venv and ensurepip"), "{why}");
        machine.script("bin/python3", "echo 'shim: not installed' >&2; exit 127");
        let why = find(&machine.env()).expect_err("broken");
        assert!(why.ends_with("does not run: shim: not installed"), "{why}");
    }

    #[test]
    fn one_that_was_asked_for_must_do() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.12.1");
        let old = machine.python("old/python", "3.6.0");
        let why =
            find(&machine.env().with("TWINCLOUD_PYTHON", old)).expect_err("no silent fallback");
        assert!(why.starts_with("TWINCLOUD_PYTHON: "), "{why}");
    }

    #[test]
    fn python_2_prints_no_version_that_will_do() {
        assert_eq!(major_minor("2.7.18"), Some((2, 7)));
        assert_eq!(major_minor("garbage"), None);
    }
}
