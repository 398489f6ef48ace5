//! On the emulators, as local processes.

mod chaos;
mod conformance;
mod containers;
mod deploy;
mod e2e;
mod ended;
mod fault_proxy;
mod game_day;
mod google;
mod images;
mod local_clouds;
mod operate;
mod producer;
mod replicate;
mod stack;
mod terraform;
mod through_proxies;
mod topology;
mod up_and_down;

use std::path::Path;

use harness::environments::emulated::{Backend, Deployment, Emulated};
use harness::processes::emulators::{Context, Launch};
use harness::processes::fetch;
use harness::processes::supervised::{GuardProgram, OnEvent};
use infra::Settings;
use sim::history::History;

use crate::command::workspace;

/// Settings for a single emulator.
pub(crate) async fn emulator_context(run_dir: &Path) -> Context {
    let (env, silent) = (toolbox::Env::from_process(), fetch::OnProgress::ignore());
    let tools = fetch::tools(&env, &silent).await.expect("the tools are there");
    let guard = GuardProgram::at(crate::trees::HARNESS);
    let launch = Launch { guard, run_dir: run_dir.to_owned(), on_event: OnEvent::ignore() };
    Context { tools, launch }
}

/// The settings that everything on emulators has.
pub(crate) fn local_settings() -> Settings {
    let settings = workspace().join(infra::settings::FILE);
    let settings = Settings::load(&settings, Some("local"), &[], std::iter::empty());
    settings.expect("the settings are right")
}

/// Both clouds, deployed, with nothing in them.
pub(crate) async fn deployed(run_dir: &Path) -> Emulated {
    let Context { tools, launch } = emulator_context(run_dir).await;
    let deployment = Deployment {
        backend: Backend::Processes(Box::new(tools)),
        guard: launch.guard,
        run_dir: run_dir.to_owned(),
        artifacts: crate::command::artifacts(),
        settings: local_settings(),
        gcp_image: None,
        proxies: None,
    };
    let history = History::create(&run_dir.join("history.jsonl")).expect("a history");
    let started = Box::pin(Emulated::start(&deployment, &history, |_| ()));
    started.await.expect("both clouds are deployed")
}
