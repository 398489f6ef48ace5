//! How the guard gathers its processes on Linux, without `unsafe`.
//!
//! It starts in two stages. The first starts itself again as the second, which leaves the session, asks for SIGKILL
//! when the guard dies, and turns into the program: what would otherwise be done between `fork` and `exec`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, setsid};

use super::{CANNOT_START, Request, descendants};

/// Timeout for processes to vanish after SIGKILL. Only one stuck in the kernel takes longer.
const VANISH: Duration = Duration::from_secs(10);
const VANISH_POLL: Duration = Duration::from_millis(2);
const SIGNAL_EXIT: u8 = 128;
const LINE_BYTES_MAX: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    #[error("{doing}: {cause}")]
    System { doing: &'static str, cause: io::Error },
    #[error("start {program}: {cause}")]
    Start { program: String, cause: io::Error },
    #[error("the guard has died before the program was started")]
    Orphaned,
    #[error("processes {0:?} are still there {VANISH:?} after SIGKILL")]
    Immortal(Vec<i32>),
}

fn system<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> GuardError {
    move |cause| GuardError::System { doing, cause: cause.into() }
}

/// The second stage. Returns only if the program can't be started.
pub(super) fn become_program(request: &Request, guard: i32) -> GuardError {
    if let Err(error) = detach(guard) {
        return error;
    }
    let cause = Command::new(&request.program).args(&request.args).exec();
    GuardError::Start { program: request.program.to_string_lossy().into_owned(), cause }
}

fn detach(guard: i32) -> Result<(), GuardError> {
    setsid().map_err(system("leave the session"))?;
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(system("ask for a signal when the guard dies"))?;
    if getppid() != Pid::from_raw(guard) {
        return Err(GuardError::Orphaned);
    }
    SigSet::empty().thread_set_mask().map_err(system("unblock signals"))
}

/// The first stage. Returns the exit code when nothing that it started is left.
pub(super) fn supervise(request: &Request) -> Result<u8, GuardError> {
    prctl::set_child_subreaper(true).map_err(system("become the reaper of orphans"))?;
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block().map_err(system("block signals"))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals =
        SignalFd::with_flags(&mask, flags).map_err(system("open a descriptor of signals"))?;
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(system("open standard input"))?;
    let program = spawn(request)?;
    report(request, &format!("pid {program}"));
    let mut guard = Guard {
        program,
        signals,
        stdin: Some(stdin),
        buffer: Vec::new(),
        kill_at: None,
        grace: request.grace,
    };
    let ended = guard.run();
    // Whatever happened, nothing may be left.
    let swept = sweep();
    let exit = ended?;
    swept?;
    report(request, &exit.to_string());
    Ok(exit.code())
}

fn spawn(request: &Request) -> Result<Pid, GuardError> {
    // Not `current_exe()`: a build may have replaced the file since.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["guard", "--inside", &getpid().to_string(), "--"])
        .arg(&request.program)
        .args(&request.args);
    command.stdin(Stdio::null());
    if request.report {
        let stderr =
            io::stderr().as_fd().try_clone_to_owned().map_err(system("open standard error"))?;
        command.stdout(stderr);
    }
    let child = command.spawn().map_err(system("start the second stage"))?;
    let pid = i32::try_from(child.id()).map_err(|_| GuardError::Orphaned)?;
    Ok(Pid::from_raw(pid))
}

fn report(request: &Request, line: &str) {
    if request.report {
        // The reader may be gone; the exit code says it too.
        let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    }
}

/// The program's exit.
#[derive(Debug, Clone, Copy)]
enum Exit {
    Code(u8),
    Signal(u8),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => SIGNAL_EXIT.saturating_add(signal),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

struct Guard {
    program: Pid,
    signals: SignalFd,
    /// Until it closes.
    stdin: Option<OwnedFd>,
    /// A line that isn't complete yet.
    buffer: Vec<u8>,
    /// When the grace is over, once the end has begun.
    kill_at: Option<Instant>,
    grace: Duration,
}

impl Guard {
    fn run(&mut self) -> Result<Exit, GuardError> {
        loop {
            if let Some(exit) = reap(self.program)? {
                return Ok(exit);
            }
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                signal_all(Signal::SIGKILL);
            }
            self.wait()?;
            while let Some(signal) = self.signals.read_signal().map_err(system("read a signal"))? {
                if signal.ssi_signo != Signal::SIGCHLD as u32 {
                    self.stop();
                }
            }
        }
    }

    /// Sleeps until there is something to do, and does what standard input says.
    fn wait(&mut self) -> Result<(), GuardError> {
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.stdin.as_ref().map(|stdin| PollFd::new(stdin.as_fd(), PollFlags::POLLIN)));
        let left =
            self.kill_at.map(|at| at.saturating_duration_since(Instant::now()).max(VANISH_POLL));
        let timeout =
            left.map_or(PollTimeout::NONE, |left| left.try_into().unwrap_or(PollTimeout::MAX));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(system("wait for events")(error)),
        }
        let stdin_ready = fds.get(1).and_then(PollFd::any).unwrap_or(false);
        if stdin_ready {
            self.read_commands();
        }
        Ok(())
    }

    fn read_commands(&mut self) {
        let Some(stdin) = self.stdin.take() else { return };
        let mut chunk = [0; 256];
        let mut file = File::from(stdin);
        match file.read(&mut chunk) {
            Ok(count) if count > 0 && self.buffer.len() < LINE_BYTES_MAX => {
                self.buffer.extend_from_slice(&chunk[..count]);
                self.stdin = Some(file.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.stdin = Some(file.into());
            }
            _ => self.stop(),
        }
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.obey(line.trim_ascii());
        }
    }

    fn obey(&mut self, command: &[u8]) {
        match command {
            // The program is a child that hasn't been reaped, so its number is still its own.
            b"kill" => send(self.program, Signal::SIGKILL),
            b"pause" => signal_all(Signal::SIGSTOP),
            b"resume" => signal_all(Signal::SIGCONT),
            _ => self.stop(),
        }
    }

    fn stop(&mut self) {
        if self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + self.grace);
            signal_all(Signal::SIGCONT);
            // It has no group of its own until the second stage has left the session.
            if killpg(self.program, Signal::SIGTERM).is_err() {
                send(self.program, Signal::SIGTERM);
            }
        }
    }
}

fn signal_all(signal: Signal) {
    for pid in descendants::of(getpid().as_raw()) {
        send(Pid::from_raw(pid), signal);
    }
}

fn send(pid: Pid, signal: Signal) {
    // A process that is gone by now needs no signal.
    let _ = kill(pid, signal);
}

/// Reaps whatever has ended, and says how the program did if it is among them.
fn reap(program: Pid) -> Result<Option<Exit>, GuardError> {
    let mut exit = None;
    loop {
        let (pid, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                (pid, Exit::Code(u8::try_from(code).unwrap_or(u8::MAX)))
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                (pid, Exit::Signal(u8::try_from(signal as i32).unwrap_or(0)))
            }
            Ok(WaitStatus::StillAlive) => return Ok(exit),
            Ok(_) | Err(Errno::EINTR) => continue,
            // Without the program among the dead, it was never there.
            Err(Errno::ECHILD) => return Ok(exit.or(Some(Exit::Code(CANNOT_START)))),
            Err(error) => return Err(system("wait for a child")(error)),
        };
        if pid == program {
            exit = Some(how);
        }
    }
}

/// Kills every process below the guard until there is none left: one may fork while another is being killed.
fn sweep() -> Result<(), GuardError> {
    let deadline = Instant::now() + VANISH;
    loop {
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
        {
        }
        let left = descendants::of(getpid().as_raw());
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(GuardError::Immortal(left));
        }
        signal_all(Signal::SIGKILL);
        std::thread::sleep(VANISH_POLL);
    }
}
