//! What to start, and how to treat it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Exit;

const GRACE: Duration = Duration::from_secs(2);

/// Variables of the harness that a process may see. Everything else it is given, or doesn't get.
pub(super) const ALLOWED_VARIABLES: [&str; 7] =
    ["PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"];

/// The program that has the subcommand `guard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardProgram(PathBuf);

impl GuardProgram {
    /// This very program, also if a build has replaced its file since it was started.
    #[must_use]
    pub fn own() -> Self {
        Self(PathBuf::from("/proc/self/exe"))
    }

    /// A harness at this path, for programs that aren't one.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The program's path; what the guard starts may be the same program again.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        &self.0
    }
}

/// Restart policy for a process that ends by itself, or is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    Never,
    /// Start it again, as Cloud Run does with an instance that crashed.
    Always {
        /// Pause before each restart, in milliseconds.
        backoff_ms: u64,
        /// Largest number of restarts.
        restarts_max: u32,
    },
}

/// Something that happened to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The process.
    pub name: String,
    /// The event.
    pub kind: EventKind,
}

/// Start or end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was started.
    Started {
        /// The process.
        pid: u32,
        /// Number of restarts so far.
        restarts: u32,
    },
    /// It ended.
    Exited {
        /// How.
        exit: Exit,
        /// True if it will be started again.
        will_restart: bool,
    },
}

/// Is told of every event, on the task that watches the process: it must not block.
#[derive(Clone)]
pub struct OnEvent(Arc<dyn Fn(Event) + Send + Sync>);

impl OnEvent {
    /// Calls `callback` for each event.
    pub fn new(callback: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    /// Ignores all events.
    #[must_use]
    pub fn ignore() -> Self {
        Self::new(|_| ())
    }

    pub(super) fn call(&self, event: Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for OnEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OnEvent")
    }
}

/// A process to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Names the log file and appears in errors.
    pub name: String,
    /// The program: a path, or a name that is on `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its variables, besides a few harmless ones of the harness.
    pub env: Vec<(String, OsString)>,
    /// The folder of this run. The log is `logs/<name>.log` in it, and the process works there.
    pub run_dir: PathBuf,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Restart policy.
    pub restart: Restart,
    /// Is told of every start and end.
    pub on_event: OnEvent,
}

impl Spec {
    /// A process that isn't restarted, with a grace of 2 s.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        run_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            run_dir: run_dir.into(),
            grace: GRACE,
            restart: Restart::Never,
            on_event: OnEvent::ignore(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the restart policy.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets the observer of every start and end.
    #[must_use]
    pub fn on_event(mut self, on_event: OnEvent) -> Self {
        self.on_event = on_event;
        self
    }

    /// Path of its log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.run_dir.join("logs").join(format!("{}.log", self.name))
    }
}
