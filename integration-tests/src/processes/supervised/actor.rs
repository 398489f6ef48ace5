//! The task that owns the guard of a process, one guard for each time it is started.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};

use super::spec::{ALLOWED_VARIABLES, Event, EventKind, GuardProgram, Restart, Spec};
use super::{Command, Exit, State, SuperviseError};

/// Time that a guard has to sweep after the process has ended, before it is given up.
const SWEEP: Duration = Duration::from_secs(15);

pub(super) struct Actor {
    guard: GuardProgram,
    spec: Spec,
    state: watch::Sender<State>,
    restarts: watch::Sender<u32>,
}

/// A guard that runs.
pub(super) struct Running {
    child: Child,
    /// Closing it makes the guard end everything.
    stdin: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Actor {
    pub(super) fn new(
        guard: GuardProgram,
        spec: Spec,
        state: watch::Sender<State>,
        restarts: watch::Sender<u32>,
    ) -> Self {
        Self { guard, spec, state, restarts }
    }

    /// Starts the guard, which starts the process.
    pub(super) fn start_guard(&self) -> Result<Running, SuperviseError> {
        let failed = |doing| {
            move |cause| SuperviseError::System { name: self.spec.name.clone(), doing, cause }
        };
        let log = self.spec.log_path();
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(failed("create the folder of the log"))?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(failed("open the log"))?;
        let mut command = std::process::Command::new(self.guard.path());
        command.arg("guard").args([
            "--grace-ms",
            &self.spec.grace.as_millis().to_string(),
            "--report",
            "--",
        ]);
        command.arg(&self.spec.program).args(&self.spec.args).current_dir(&self.spec.run_dir);
        command.env_clear().envs(
            ALLOWED_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        command.envs(self.spec.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        leave_the_terminal(&mut command);
        let mut child =
            tokio::process::Command::from(command).spawn().map_err(failed("start the guard"))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Running { child, stdin, reports: BufReader::new(stdout).lines() })
            }
            _ => Err(failed("open the pipes of the guard")(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Watches the process through all its restarts. Ends it when the handle is dropped.
    pub(super) async fn run(self, first: Running, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut running = first;
        loop {
            let (exit, stopped) = self.watch(running, &mut commands).await;
            let backoff = self.backoff().filter(|_| !stopped);
            self.tell(EventKind::Exited { exit, will_restart: backoff.is_some() });
            let Some(backoff) = backoff else { return self.set(State::Ended { exit }) };
            self.set(State::Restarting { last: exit });
            if !sleep_unless_stopped(backoff, &mut commands).await {
                return self.set(State::Ended { exit });
            }
            self.restarts.send_modify(|restarts| *restarts += 1);
            match self.start_guard() {
                Ok(next) => running = next,
                Err(error) => {
                    tracing::error!(%error, "the process can't be restarted");
                    return self.set(State::Ended { exit });
                }
            }
        }
    }

    fn backoff(&self) -> Option<Duration> {
        match self.spec.restart {
            Restart::Always { backoff_ms, restarts_max }
                if *self.restarts.borrow() < restarts_max =>
            {
                Some(Duration::from_millis(backoff_ms))
            }
            _ => None,
        }
    }

    /// Watches one life of the process. Says how it ended, and whether that was asked for.
    async fn watch(
        &self,
        running: Running,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> (Exit, bool) {
        let Running { mut child, stdin, mut reports } = running;
        let mut stdin = Some(stdin);
        let mut exit = Exit::Unknown;
        let mut stopped = false;
        loop {
            tokio::select! {
                line = reports.next_line() => match line {
                    Ok(Some(line)) => exit = self.heed(&line).unwrap_or(exit),
                    _ => break,
                },
                command = commands.recv(), if !stopped => {
                    stopped = matches!(command, None | Some(Command::Stop));
                    obey(command, &mut stdin).await;
                }
            }
        }
        drop(stdin);
        match tokio::time::timeout(SWEEP, child.wait()).await {
            Ok(Ok(status)) if exit == Exit::Unknown => (exit_of_guard(status), stopped),
            Ok(_) => (exit, stopped),
            Err(_) => {
                tracing::error!(name = self.spec.name, "the guard hangs");
                drop(child.start_kill());
                (Exit::Unknown, stopped)
            }
        }
    }

    fn heed(&self, line: &str) -> Option<Exit> {
        let (word, number) = line.split_once(' ')?;
        match word {
            "pid" => {
                let pid = number.parse().ok()?;
                self.set(State::Running { pid });
                self.tell(EventKind::Started { pid, restarts: *self.restarts.borrow() });
                None
            }
            "exit" => Some(Exit::Code(number.parse().ok()?)),
            "signal" => Some(Exit::Signal(number.parse().ok()?)),
            _ => None,
        }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    fn tell(&self, kind: EventKind) {
        self.spec.on_event.call(Event { name: self.spec.name.clone(), kind });
    }
}

/// Ctrl-C goes to the whole foreground group of the terminal; the guard has to hear of the end from the harness instead.
fn leave_the_terminal(command: &mut std::process::Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// The guard's own exit, if it could not report that of the process.
fn exit_of_guard(status: std::process::ExitStatus) -> Exit {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(Exit::Unknown, Exit::Code)
}

async fn obey(command: Option<Command>, stdin: &mut Option<ChildStdin>) {
    let line: &[u8] = match command {
        None | Some(Command::Stop) => return drop(stdin.take()),
        Some(Command::Kill) => b"kill\n",
        Some(Command::Pause) => b"pause\n",
        Some(Command::Resume) => b"resume\n",
    };
    if let Some(pipe) = stdin {
        // A guard that is gone is noticed by the end of its reports.
        let _ = pipe.write_all(line).await;
        let _ = pipe.flush().await;
    }
}

/// Sleeps; true if the time has passed without a call to stop.
async fn sleep_unless_stopped(
    backoff: Duration,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> bool {
    let sleep = tokio::time::sleep(backoff);
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            () = &mut sleep => return true,
            command = commands.recv() => if matches!(command, None | Some(Command::Stop)) {
                return false;
            },
        }
    }
}
