//! A guarded process: started, watched, paused, killed, restarted, stopped, and its output kept in a file.

mod actor;
mod log;
mod spec;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use log::tail;
pub use spec::{Event, EventKind, GuardProgram, OnEvent, Restart, Spec};

const STARTUP: Duration = Duration::from_secs(10);
/// On top of the grace: for the guard to sweep, and to say so.
const STOP_MARGIN: Duration = Duration::from_secs(12);
const KILL: Duration = Duration::from_secs(10);

/// End of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this exit code.
    Code(u8),
    /// By this signal.
    Signal(u8),
    /// Unknown: its guard has vanished.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
            Self::Unknown => formatter.write_str("an unknown end"),
        }
    }
}

/// State of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The guard has been started, and has not named the process yet.
    Starting,
    /// It runs.
    Running {
        /// Of the process itself, not of its guard.
        pid: u32,
    },
    /// It has ended, and will be started again.
    Restarting {
        /// Its exit.
        last: Exit,
    },
    /// It has ended for good.
    Ended {
        /// How.
        exit: Exit,
    },
}

/// Why a process can't be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A file or the guard can't be opened or started.
    #[error("{doing} for {name}: {cause}")]
    System {
        /// The process.
        name: String,
        /// The operation that failed.
        doing: &'static str,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// It did not get there within the bound.
    #[error("{name} did not {what} within {limit_ms} ms; the end of its log:\n{log_tail}")]
    TooSlow {
        /// The process.
        name: String,
        /// The state that it did not reach, as a verb.
        what: &'static str,
        /// The bound.
        limit_ms: u128,
        /// The last lines of its log.
        log_tail: String,
    },
    /// It has ended already.
    #[error("{name} has ended ({exit}); the end of its log:\n{log_tail}")]
    Ended {
        /// The process.
        name: String,
        /// How.
        exit: Exit,
        /// The last lines of its log.
        log_tail: String,
    },
}

/// The handle on a guarded process. Dropping it ends the process, in the background.
#[derive(Debug)]
pub struct Supervised {
    name: String,
    log: PathBuf,
    grace: Duration,
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
    restarts: watch::Receiver<u32>,
}

/// Requests of the handle to its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Kill,
    Pause,
    Resume,
    Stop,
}

impl Supervised {
    /// Starts `spec` below a guard, and waits until the process is there.
    pub async fn spawn(guard: &GuardProgram, spec: Spec) -> Result<Self, SuperviseError> {
        let log = spec.log_path();
        let (command_sender, command_receiver) = mpsc::unbounded_channel();
        let (state_sender, state) = watch::channel(State::Starting);
        let (restarts_sender, restarts) = watch::channel(0);
        let (name, grace) = (spec.name.clone(), spec.grace);
        let actor = actor::Actor::new(guard.clone(), spec, state_sender, restarts_sender);
        let first = actor.start_guard()?;
        tokio::spawn(actor.run(first, command_receiver));
        let mut supervised = Self { name, log, grace, commands: command_sender, state, restarts };
        supervised.reach("start", STARTUP, |state| *state != State::Starting).await?;
        Ok(supervised)
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds its standard output and standard error.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its current state.
    #[must_use]
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// The process itself, if it runs now.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.state() {
            State::Running { pid } => Some(pid),
            _ => None,
        }
    }

    /// Number of restarts so far.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        *self.restarts.borrow()
    }

    /// Its exit, if it has ended for good.
    #[must_use]
    pub fn exited(&self) -> Option<Exit> {
        match self.state() {
            State::Ended { exit } => Some(exit),
            _ => None,
        }
    }

    /// Sends SIGKILL to the process, and waits until it and everything below it are gone.
    /// With [`Restart::Always`] it is then started again.
    pub async fn kill9(&mut self) -> Result<(), SuperviseError> {
        let pid = self.pid().ok_or_else(|| self.ended())?;
        self.send(Command::Kill);
        self.reach("die of SIGKILL", KILL, |state| *state != State::Running { pid }).await?;
        Ok(())
    }

    /// Sends SIGSTOP to the process and everything below it.
    pub fn pause(&self) {
        self.send(Command::Pause);
    }

    /// Undoes [`Self::pause`].
    pub fn resume(&self) {
        self.send(Command::Resume);
    }

    /// Ends the process: SIGTERM, the grace, SIGKILL. Does nothing if it has ended. It isn't restarted.
    pub async fn stop(&mut self) -> Result<Exit, SuperviseError> {
        self.send(Command::Stop);
        let limit = self.grace + STOP_MARGIN;
        match self.reach("stop", limit, |state| matches!(state, State::Ended { .. })).await? {
            State::Ended { exit } => Ok(exit),
            _ => Ok(Exit::Unknown),
        }
    }

    /// Waits until it has ended for good. The caller has the bound.
    pub async fn wait(&mut self) -> Exit {
        match self
            .state
            .wait_for(|state| matches!(state, State::Ended { .. }))
            .await
            .map(|state| *state)
        {
            Ok(State::Ended { exit }) => exit,
            _ => Exit::Unknown,
        }
    }

    /// The error that says that it isn't running, with the end of its log.
    #[must_use]
    pub fn ended(&self) -> SuperviseError {
        let exit = match self.state() {
            State::Ended { exit } | State::Restarting { last: exit } => exit,
            _ => Exit::Unknown,
        };
        SuperviseError::Ended { name: self.name.clone(), exit, log_tail: tail(&self.log) }
    }

    fn send(&self, command: Command) {
        // An actor that has ended has nothing left to command.
        let _ = self.commands.send(command);
    }

    async fn reach(
        &mut self,
        what: &'static str,
        limit: Duration,
        done: impl FnMut(&State) -> bool,
    ) -> Result<State, SuperviseError> {
        let reached = tokio::time::timeout(limit, self.state.wait_for(done)).await;
        if reached.is_ok() {
            // Also if the actor has gone: what it said last is all there is.
            drop(reached);
            return Ok(self.state());
        }
        drop(reached);
        let log_tail = tail(&self.log);
        Err(SuperviseError::TooSlow {
            name: self.name.clone(),
            what,
            limit_ms: limit.as_millis(),
            log_tail,
        })
    }
}
