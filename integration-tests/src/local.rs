//! `cargo xtask up` and `down`: local clouds that stay.
//!
//! `up` leaves a process of its own behind, `serve`, which holds the emulators: they live exactly as long as it does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::e2e::{Checkout, interrupted, tools};
use crate::outcome::Failure;
use crate::processes::{LocalClouds, Options};
use crate::progress::Progress;
use crate::targets::processes::endpoints;

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// What `serve` leaves for the others to find.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// The process that holds the emulators.
    pid: i32,
    /// The variables by which AWS's and Google's own tools are pointed to the emulators.
    endpoints: BTreeMap<String, String>,
}

struct Files {
    dir: PathBuf,
}

impl Files {
    fn of(checkout: &Checkout) -> Self {
        Self { dir: checkout.root.join("target/local-clouds") }
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("serve.log")
    }

    /// The clouds that run; what a killed `serve` left behind is no cloud.
    fn running(&self) -> Option<State> {
        let state: State = serde_json::from_slice(&fs::read(self.state()).ok()?).ok()?;
        is_alive(state.pid).then_some(state)
    }
}

/// Starts local clouds, if there are none, and prints how to reach them.
pub fn up(args: &args::Up, checkout: &Checkout) -> Result<(), Failure> {
    let files = Files::of(checkout);
    let state = match files.running() {
        Some(state) => state,
        None => start(checkout, &files)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&state).context("write the state as JSON")?);
    } else {
        println!("# local clouds, held by process {}; `cargo xtask down` stops them", state.pid);
        for (name, value) in state.endpoints {
            println!("export {name}={value}");
        }
    }
    Ok(())
}

fn start(checkout: &Checkout, files: &Files) -> Result<State, Failure> {
    let progress = Progress::default();
    // Fetches what is missing while somebody looks.
    tools(&progress).map_err(Failure::Lacking)?;
    fs::create_dir_all(&files.dir).context("create the folder of the local clouds")?;
    let log = File::create(files.log()).context("create the log of the local clouds")?;
    let mut serve = Command::new(std::env::current_exe().context("find this program")?);
    serve.arg("serve").env("TWINCLOUD_ROOT", &checkout.root);
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
            return Err(Failure::Lacking(anyhow!("the local clouds did not start:\n{log}")));
        }
        std::thread::sleep(POLL);
    }
}

/// Stops the local clouds; none there is success.
pub fn down(checkout: &Checkout) -> Result<(), Failure> {
    let files = Files::of(checkout);
    let Some(state) = files.running() else {
        println!("no local clouds are running");
        return Ok(());
    };
    kill(Pid::from_raw(state.pid), Signal::SIGTERM).context("stop the local clouds")?;
    let begun = Instant::now();
    while is_alive(state.pid) {
        if begun.elapsed() > STOP_LIMIT {
            let pid = state.pid;
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

/// Holds the emulators until SIGTERM or Ctrl-C.
pub fn serve(checkout: &Checkout) -> Result<(), Failure> {
    let files = Files::of(checkout);
    let tools = tools(&Progress::default()).map_err(Failure::Lacking)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let options = Options::new(tools, &files.dir);
        let clouds = LocalClouds::start(&options, |what| eprintln!("{what}")).await;
        let clouds = clouds.context("start the emulators")?;
        let endpoints =
            endpoints(&clouds).into_iter().map(|(name, value)| (name.to_owned(), value));
        let state = State { pid: std::process::id().cast_signed(), endpoints: endpoints.collect() };
        publish(&files, &state).context("write the state of the local clouds")?;
        interrupted().await?;
        let _ = fs::remove_file(files.state());
        clouds.stop().await.context("stop the emulators")?;
        Ok(())
    })
}

/// By rename, so that nobody reads half of it.
fn publish(files: &Files, state: &State) -> anyhow::Result<()> {
    let new = files.dir.join(".state.json");
    fs::write(&new, serde_json::to_vec_pretty(state)?)?;
    Ok(fs::rename(new, files.state())?)
}

/// Whether the process is there and is not a zombie that nobody has waited for.
fn is_alive(pid: i32) -> bool {
    let there = kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    there && !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
