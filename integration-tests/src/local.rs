//! `cargo xtask up` and `down`: local clouds that stay.
//!
//! `up` leaves a process of its own behind, `serve`, which holds the emulators: they live exactly as long as it does.

mod control;
pub(crate) mod forward;
mod http;
mod jobs;
mod problem;
mod services;
mod shared;

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use deploy::local::LocalClouds as Running;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::docker;
use crate::processes::tools;
use crate::processes::{LocalClouds, Options};
use crate::run::{Checkout, interrupted};
use cli::Failure;
use cli::Progress;

pub use control::Control;

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

struct Files {
    root: PathBuf,
    dir: PathBuf,
}

impl Files {
    fn of(checkout: &Checkout) -> Self {
        let root = checkout.root.clone();
        Self { dir: Running::folder(&root), root }
    }

    fn log(&self) -> PathBuf {
        self.dir.join("serve.log")
    }

    /// The clouds that run; what a killed `serve` left behind is no cloud.
    fn running(&self) -> Option<Running> {
        Running::find(&self.root).ok()
    }
}

/// `harness serve`
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// See `up`.
    #[arg(long)]
    enforce_policies: bool,
}

/// Starts local clouds, if there are none, and prints how to reach them.
pub fn up(args: &args::Up, checkout: &Checkout) -> Result<(), Failure> {
    let files = Files::of(checkout);
    let state = match files.running() {
        Some(state) => state,
        None => start(args.enforce_policies, checkout, &files)?,
    };
    if args.enforce_policies && !state.enforces_policies {
        return Err(Failure::Usage(anyhow!(
            "the local clouds that run do not keep to policies; `cargo xtask down` stops them, then give this again"
        )));
    }
    if args.json {
        let state = json!({ "pid": state.pid, "endpoints": state.variables() });
        println!("{state:#}");
    } else {
        println!("# local clouds, held by process {}; `cargo xtask down` stops them", state.pid);
        for (name, value) in state.variables() {
            println!("export {name}={value}");
        }
    }
    Ok(())
}

fn start(enforces_policies: bool, checkout: &Checkout, files: &Files) -> Result<Running, Failure> {
    let progress = Progress::default();
    // Fetches missing tools with visible progress.
    tools(&progress).map_err(Failure::MissingPrerequisite)?;
    fs::create_dir_all(&files.dir).context("create the folder of the local clouds")?;
    let log = File::create(files.log()).context("create the log of the local clouds")?;
    let mut serve = Command::new(std::env::current_exe().context("find this program")?);
    serve.arg(deploy::local::HOLDER);
    if enforces_policies {
        serve.arg("--enforce-policies");
    }
    serve.env("TWINCLOUD_ROOT", &checkout.root);
    serve.stdin(Stdio::null()).stderr(log.try_clone().context("share the log")?).stdout(log);
    // Out of the terminal's process group: its Ctrl-C is not for the clouds.
    let mut serve = serve.process_group(0).spawn().context("start the local clouds")?;
    progress.now("starting the local clouds");
    let begun = Instant::now();
    loop {
        if let Some(state) = files.running() {
            progress.finish();
            return Ok(state);
        }
        let ended = serve.try_wait().context("watch the local clouds")?;
        if ended.is_some() || begun.elapsed() > START_LIMIT {
            let _ = serve.kill();
            let log = fs::read_to_string(files.log()).unwrap_or_default();
            return Err(Failure::MissingPrerequisite(anyhow!(
                "the local clouds did not start:\n{log}"
            )));
        }
        std::thread::sleep(POLL);
    }
}

/// Stops the local clouds; none there is success. Takes along what containers a dead run has left.
pub fn down(checkout: &Checkout) -> Result<(), Failure> {
    reap_containers()?;
    let files = Files::of(checkout);
    let Some(state) = files.running() else {
        println!("no local clouds are running");
        return Ok(());
    };
    let pid = state.pid.cast_signed();
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("stop the local clouds")?;
    let begun = Instant::now();
    while is_alive(pid) {
        if begun.elapsed() > STOP_LIMIT {
            return Err(anyhow!(
                "process {pid} did not stop in {STOP_LIMIT:?}; `kill -9 {pid}` does"
            )
            .into());
        }
        std::thread::sleep(POLL);
    }
    println!("the local clouds are gone");
    Ok(())
}

fn reap_containers() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    match runtime.block_on(docker::reap()) {
        Ok(removed) => removed.iter().for_each(|what| println!("removed {what} of a dead run")),
        // If no engine answers, none of our containers can be left.
        Err(error) => tracing::debug!(%error, "no containers are looked for"),
    }
    Ok(())
}

/// Holds the emulators until SIGTERM or Ctrl-C.
pub fn serve(args: &Serve, checkout: &Checkout) -> Result<(), Failure> {
    let files = Files::of(checkout);
    let tools = tools(&Progress::default()).map_err(Failure::MissingPrerequisite)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let mut options = Options::new(tools, &files.dir);
        options.ministack.enforces_policies = args.enforce_policies;
        let clouds = LocalClouds::start(&options, |what| eprintln!("{what}")).await;
        let clouds = clouds.context("start the emulators")?;
        let control = Control::start(options.launch()).await?;
        let state = Running {
            pid: std::process::id(),
            aws_endpoint: clouds.aws_endpoint().to_owned(),
            pubsub_endpoint: clouds.pubsub_endpoint().to_owned(),
            firestore_endpoint: clouds.firestore_endpoint().to_owned(),
            storage_endpoint: clouds.gcs_endpoint().to_owned(),
            run_endpoint: control.endpoint.clone(),
            enforces_policies: args.enforce_policies,
        };
        state.publish(&files.root).context("write the state of the local clouds")?;
        interrupted().await?;
        let _ = fs::remove_file(Running::state_file(&files.root));
        control.stop().await?;
        clouds.stop().await.context("stop the emulators")?;
        Ok(())
    })
}

/// True if the process exists and is not a zombie.
fn is_alive(pid: i32) -> bool {
    let there = kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    there && !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
