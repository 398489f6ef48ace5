//! A server on this machine is never reached through a proxy, whatever the environment says.
//!
//! Emulators, stubs and local clouds are all on loopback, and a company's proxy has another loopback. Some HTTP clients of
//! the SDKs take `HTTP_PROXY` and can't be told better, so a program begins anew with a `NO_PROXY` that says it. What it
//! starts inherits that.

use std::io;
use std::process::Command;

use crate::replace_by;

const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Not every client knows networks, and not every one an address as a part of one.
const LOOPBACK: [&str; 4] = ["localhost", "127.0.0.1", "127.0.0.0/8", "::1"];

/// Begins this program anew if its environment would send calls to loopback through a proxy; else returns at once. To be
/// called first of all.
pub fn spare_loopback() {
    let Some(exceptions) = exceptions(|name| std::env::var(name).ok()) else { return };
    let error = this_program().map(|mut anew| {
        anew.args(std::env::args_os().skip(1));
        anew.envs(EXCEPTIONS.map(|variable| (variable, &exceptions)));
        replace_by(&mut anew)
    });
    let error = error.unwrap_or_else(|error| error);
    eprintln!(
        "run this program again with NO_PROXY={exceptions}: {error}; set it yourself, or calls to this machine go through a proxy"
    );
}

/// The command that starts this program, under the name that it was started with, even if its file was replaced since.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems may not know the path")]
fn this_program() -> io::Result<Command> {
    use std::os::unix::process::CommandExt as _;

    let program = std::path::Path::new("/proc/self/exe");
    let mut command = match std::env::current_exe() {
        Ok(path) if !program.exists() => Command::new(path),
        _ => Command::new(program),
    };
    command.arg0(std::env::args_os().next().unwrap_or_else(|| "twincloud".into()));
    Ok(command)
}

#[cfg(not(target_os = "linux"))]
fn this_program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}

/// The `NO_PROXY` that is missing; none if there is no proxy, or loopback is excepted already.
fn exceptions(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name: &&str| get(name).is_some_and(|value| !value.is_empty());
    PROXIES.iter().find(|name| is_set(name))?;
    // As most clients do: the first one that is there, even if it is empty.
    let given = EXCEPTIONS.iter().find_map(|name| get(name)).unwrap_or_default();
    let given: Vec<_> = given.split(',').map(str::trim).filter(|rule| !rule.is_empty()).collect();
    if given.contains(&"*") || LOOPBACK.iter().all(|rule| given.contains(rule)) {
        return None;
    }
    let lacking = LOOPBACK.iter().filter(|rule| !given.contains(*rule));
    Some(given.iter().chain(lacking).copied().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        exceptions(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn loopback_is_excepted_wherever_there_is_a_proxy() {
        let all = "localhost,127.0.0.1,127.0.0.0/8,::1";
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("HTTP_PROXY", "")]), None);
        for variable in PROXIES {
            assert_eq!(of(&[(variable, "http://proxy:1")]).as_deref(), Some(all), "{variable}");
        }
        let proxy = ("https_proxy", "proxy:1");
        let more = |rules: &str| Some(format!("{rules}{all}"));
        assert_eq!(of(&[proxy, ("NO_PROXY", "")]), more(""));
        assert_eq!(of(&[proxy, ("no_proxy", "a.example, .b")]), more("a.example,.b,"));
        let only_first = [proxy, ("NO_PROXY", "c"), ("no_proxy", "*")];
        assert_eq!(of(&only_first), more("c,"), "clients read the first one alone");
        assert_eq!(of(&[proxy, ("NO_PROXY", "*")]), None);
        assert_eq!(of(&[proxy, ("NO_PROXY", all)]), None, "it begins anew once");
    }
}
