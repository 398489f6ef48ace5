//! The clouds as local processes: found or fetched, started, watched, and gone without a trace.
//!
//! - [`guard`] is the small program between the harness and each process it starts. It outlives the harness just long
//!   enough to end that process and everything below it.
//! - [`supervised`] is the harness's handle on a guarded process.
//! - [`container`] does the same for a container, which the engine owns.
//! - [`fetch`] gets what isn't on the machine; where to look for it is the crate `toolbox`.
//! - [`emulators`] knows how each emulator is started and how it says that it is ready.
//! - [`LocalClouds`] is all four of them.

pub mod container;
pub mod emulators;
pub mod fetch;
pub mod guard;
mod local_clouds;
pub mod ports;
pub mod supervised;

use anyhow::Context as _;
use cli::Progress;
use toolbox::Tools;

pub use local_clouds::{LocalClouds, LocalCloudsError, Options};

/// Kills a process of this name somewhere below `ancestor`, and says which it was.
#[must_use]
pub fn kill_below(ancestor: u32, name: &str) -> Option<u32> {
    let ancestor = i32::try_from(ancestor).ok()?;
    let named = |pid: &i32| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        comm.trim_end() == name
    };
    let pid = guard::below(ancestor).into_iter().find(named)?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).ok()?;
    u32::try_from(pid).ok()
}

/// The emulators' programs, fetched where they are not there.
pub(crate) fn tools(progress: &Progress) -> anyhow::Result<Tools> {
    let env = toolbox::Env::from_process();
    if let Some(lacking) = toolbox::Report::collect(&env).lacking_for_processes() {
        anyhow::bail!("{lacking}");
    }
    let say = progress.clone();
    let on_progress = fetch::OnProgress::new(move |now| match now {
        fetch::Progress::Step(what) => say.now(what),
        fetch::Progress::Bytes { what, done, total } => {
            say.now(format!("{what}: {} of {} MB", done / 1_000_000, total / 1_000_000));
        }
    });
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    Ok(runtime.block_on(fetch::tools(&env, &on_progress))?)
}
