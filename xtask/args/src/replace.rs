//! A program that takes the place of another one.

use std::io;
use std::process::Command;

/// Becomes `command`: it keeps this process's id, and its exit code is that of this process. Returns only if it can't be
/// started.
#[cfg(unix)]
pub fn replace_by(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// Runs `command` in the place of this program, which ends with its exit code when it has ended; a process can't be replaced
/// here. Returns only if it can't be started.
#[cfg(not(unix))]
pub fn replace_by(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
