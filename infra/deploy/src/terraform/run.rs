//! One run of the program, followed while it runs.
//!
//! It writes to files, not to pipes: if this process is killed, the program runs to its end, saves its state and
//! releases its lock, where a broken pipe would have killed it too.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::error::Error;
use super::run_folder::{LOG, PROCESS, STDERR, STDOUT};
use super::stale_run::Process;
use super::ui::{self, Line};
use super::{OnProgress, Progress, Root, Terraform};

/// The interval at which the output file is read.
const FOLLOW: Duration = Duration::from_millis(100);
/// Variables of the user's environment that would interfere.
const OURS: [&str; 4] = ["TF_DATA_DIR", "TF_WORKSPACE", "TF_INPUT", "TF_REATTACH_PROVIDERS"];
const OURS_BY_PREFIX: [&str; 3] = ["TF_CLI_ARGS", "TF_LOG", "TF_VAR_"];

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The run to start.
pub(super) struct Run<'a> {
    pub(super) terraform: &'a Terraform,
    pub(super) root: &'a Root,
    pub(super) action: &'static str,
    pub(super) args: Vec<OsString>,
    pub(super) limit: Duration,
}

/// The result of a run, with its output.
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// True if this process was signalled to stop, and passed that on.
    pub(super) interrupted: bool,
    /// The state's lock, if it may not have been released.
    pub(super) lock: LockAfter,
    /// The folder of its files; see [`forget`](Self::forget).
    pub(super) folder: PathBuf,
}

/// The lock after a run that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum LockAfter {
    /// Nothing indicates that it is held, or it was released here.
    #[default]
    Gone,
    /// Held, with this id.
    Held(String),
    /// The lock can't be read, and the output does not tell.
    Unknown,
}

impl Ended {
    /// Deletes the run's folder, which is no longer needed.
    pub(super) fn forget(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Run<'_> {
    /// Runs the program without input and within its time limit, and passes on its output.
    pub(super) async fn follow(self, progress: OnProgress<'_>) -> Result<Ended, Error> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.runs().join(format!("run-{}-{count}", std::process::id()));
        let files = |cause| Error::Files {
            action: "write down what is said in",
            path: folder.clone(),
            cause,
        };
        fs::create_dir_all(&folder).map_err(files)?;
        let out = File::create(folder.join(STDOUT)).map_err(files)?;
        let err = File::create(folder.join(STDERR)).map_err(files)?;
        let mut command = self.command(&folder);
        command.stdout(out).stderr(err);
        let child = command.spawn().map_err(|error| Error::Broken {
            program: self.terraform.program.clone(),
            problem: error.to_string(),
        })?;
        let mut running = Running::new(child);
        let process = running.pid.map(|pid| Process::of(pid.as_raw().unsigned_abs()));
        let process = serde_json::to_vec(&process).unwrap_or_default();
        fs::write(folder.join(PROCESS), process).map_err(files)?;

        let ended = self.until_over(&mut running, &folder, progress).await;
        running.over = true;
        let (status, interrupted) = ended?;
        let text = |name| {
            let bytes = fs::read(folder.join(name)).map_err(files)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (stdout, stderr) = (text(STDOUT)?, text(STDERR)?);
        if let Some(signal) = status.signal() {
            // Its folder is kept: the next plan examines it.
            return Err(Error::Killed {
                action: self.action,
                root: self.root.name.clone(),
                signal,
            });
        }
        let success = status.success();
        Ok(Ended { success, stdout, stderr, interrupted, lock: LockAfter::default(), folder })
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.terraform.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if OURS.contains(&&*text) || OURS_BY_PREFIX.iter().any(|start| text.starts_with(start))
            {
                command.env_remove(&name);
            }
        }
        command.args(&self.args).current_dir(&self.root.work);
        command.env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0").env("CHECKPOINT_DISABLE", "1");
        // The log is the only place with the id of its lock.
        command.env("TF_LOG_CORE", "INFO").env("TF_LOG_PATH", folder.join(LOG));
        command.envs(&self.root.env).stdin(Stdio::null());
        // Detached from the terminal: a second Ctrl-C would make it abort.
        command.process_group(0);
        command
    }

    /// Passes on its output until it ends; signals it to stop once, on a signal or after its time limit.
    async fn until_over(
        &self,
        running: &mut Running,
        folder: &Path,
        progress: OnProgress<'_>,
    ) -> Result<(ExitStatus, bool), Error> {
        let failed = |cause| Error::Files {
            action: "follow what is said in",
            path: folder.to_owned(),
            cause,
        };
        let mut said = Followed::new(folder.join(STDOUT));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut ticks = interval(FOLLOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = Instant::now() + self.limit;
        let (mut interrupted, mut late) = (false, false);
        let status = loop {
            tokio::select! {
                status = running.child.wait() => break status.map_err(failed)?,
                _ = ticks.tick() => said.pass_on(progress).map_err(failed)?,
                Some(()) = interrupt.recv(), if !interrupted => interrupted = true,
                Some(()) = terminate.recv(), if !interrupted => interrupted = true,
                () = sleep_until(end) => {
                    if late || interrupted {
                        running.send(Signal::SIGKILL);
                    }
                    late = true;
                }
            }
            if (interrupted || late) && !running.told {
                progress(Progress::Stopping);
                running.send(Signal::SIGINT);
                running.told = true;
                end = Instant::now() + self.terraform.limits.stop;
            }
        };
        said.pass_on(progress).map_err(failed)?;
        if late {
            return Err(Error::TimedOut {
                action: self.action,
                root: self.root.name.clone(),
                seconds: self.limit.as_secs(),
            });
        }
        Ok((status, interrupted))
    }
}

/// The process. If this is dropped earlier, the process is signalled to stop: it isn't waited for, but ends properly.
struct Running {
    child: Child,
    pid: Option<Pid>,
    told: bool,
    over: bool,
}

impl Running {
    fn new(child: Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        Self { child, pid, told: false, over: false }
    }

    /// Signals the program alone: its providers end with it.
    fn send(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // It may have ended by itself.
            let _ = kill(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over && !self.told {
            self.send(Signal::SIGINT);
        }
    }
}

/// A growing file.
struct Followed {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line that isn't complete yet.
    begun: Vec<u8>,
}

impl Followed {
    fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, begun: Vec::new() }
    }

    /// Passes on the lines added since the last call.
    fn pass_on(&mut self, progress: OnProgress<'_>) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read_to_end(&mut self.begun)?;
        self.offset += read as u64;
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            match ui::read(&String::from_utf8_lossy(&line)) {
                Some(Line::Event(event, _)) => progress(Progress::Event(&event)),
                Some(Line::WaitingForLock) => progress(Progress::WaitingForLock),
                Some(Line::Error(_)) | None => {}
            }
        }
        Ok(())
    }
}
