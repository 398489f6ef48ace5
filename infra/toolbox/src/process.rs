//! Runs a small program and reads its output, with a time limit.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const POLL_MS: u64 = 5;
/// A grandchild may hold a pipe open after the program has ended; its output is awaited no longer than this.
const DRAIN: Duration = Duration::from_millis(500);

/// The output of a program.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The first line that isn't empty, of standard output or else of standard error.
    pub(crate) fn first_line(&self) -> &str {
        let mut lines = self.stdout.lines().chain(self.stderr.lines());
        lines.find(|line| !line.trim().is_empty()).unwrap_or("").trim()
    }
}

/// The reason why a program gave no output.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program could not be started.
    #[error("start {program}: {cause}")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The program did not end in time, and was killed.
    #[error("{program} gave no answer within {limit_ms} ms")]
    TimedOut {
        /// The program.
        program: String,
        /// The bound.
        limit_ms: u128,
    },
}

/// Runs `command` with no input, for at most `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Output, RunError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = |cause| RunError::Start { program: program.clone(), cause };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(started)?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(success) = wait(&mut child, limit).map_err(started)? else {
        return Err(RunError::TimedOut { program, limit_ms: limit.as_millis() });
    };
    Ok(Output {
        success,
        stdout: stdout.recv_timeout(DRAIN).unwrap_or_default(),
        stderr: stderr.recv_timeout(DRAIN).unwrap_or_default(),
    })
}

fn wait(child: &mut Child, limit: Duration) -> Result<Option<bool>, std::io::Error> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(POLL_MS));
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A broken pipe leaves the output before it, which is all that can be read.
            let _ = pipe.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_and_the_exit_are_seen() {
        let output = run(&mut sh("echo; echo out; echo err >&2; exit 3"), Duration::from_secs(5))
            .expect("sh runs");
        assert!(!output.success);
        assert_eq!(output.first_line(), "out");
        assert_eq!(output.stderr, "err\n");
    }

    #[test]
    fn a_program_that_hangs_is_given_up() {
        let begun = Instant::now();
        let error =
            run(&mut sh("exec sleep 60"), Duration::from_millis(100)).expect_err("it sleeps");
        assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/nonexistent/tool"), Duration::from_secs(1))
            .expect_err("no such file");
        assert!(error.to_string().contains("/nonexistent/tool"), "{error}");
    }
}
