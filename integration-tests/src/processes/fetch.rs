//! Gets what isn't on the machine into the cache: Python tools with `pip`, Google's jars by HTTPS.

mod download;
mod unpack;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use toolbox::cache::CacheError;
use toolbox::emulators::Emulator;
use toolbox::venv::{self, VenvError};
use toolbox::verify::Stamp;
use toolbox::{Cache, Env, NotPossible, Plan, Step, Tools};

pub use download::{DownloadError, Limits, Wanted, client, download};
pub use unpack::UnpackError;

const LOCK: Duration = Duration::from_mins(20);

/// Progress of fetching the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Something begins.
    Step(String),
    /// A download goes on.
    Bytes {
        /// The file.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in total.
        total: u64,
    },
}

/// Is told how far it is.
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(Progress) + Send + Sync>);

impl OnProgress {
    /// Calls `callback` from any thread.
    pub fn new(callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    /// Ignores all events.
    #[must_use]
    pub fn ignore() -> Self {
        Self::new(|_| ())
    }

    fn step(&self, text: impl Into<String>) {
        (self.0)(Progress::Step(text.into()));
    }

    fn bytes(&self, what: &str, done: u64, total: u64) {
        (self.0)(Progress::Bytes { what: what.to_owned(), done, total });
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OnProgress")
    }
}

/// Why the tools can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Fetching won't help.
    #[error(transparent)]
    NotPossible(#[from] NotPossible),
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A Python tool can't be installed.
    #[error(transparent)]
    Venv(#[from] VenvError),
    /// A download failed.
    #[error("{cause}\n{what_to_do}")]
    Download {
        /// The download's error.
        cause: DownloadError,
        /// Other ways to get the thing.
        what_to_do: String,
    },
    /// A downloaded archive doesn't hold what it should.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Everything was fetched, and yet something isn't there.
    #[error("after everything was fetched, these are still missing: {0:?}")]
    StillMissing(Vec<Step>),
    /// A helper thread panicked.
    #[error("a helper thread of the fetch failed")]
    Thread(#[from] tokio::task::JoinError),
}

/// The tools of the `processes` target: found on the machine, or fetched now. What is there already costs no network.
pub async fn tools(env: &Env, on_progress: &OnProgress) -> Result<Tools, FetchError> {
    let cache = Cache::locate(env)?;
    let steps = match plan(env, &cache).await? {
        Plan::Ready(tools) => return Ok(tools),
        Plan::Fetch(steps) => steps,
    };
    try_join_all(steps.into_iter().map(|step| take(env, &cache, step, on_progress))).await?;
    match plan(env, &cache).await? {
        Plan::Ready(tools) => Ok(tools),
        Plan::Fetch(steps) => Err(FetchError::StillMissing(steps)),
    }
}

async fn plan(env: &Env, cache: &Cache) -> Result<Plan, FetchError> {
    let (env, cache) = (env.clone(), cache.clone());
    Ok(tokio::task::spawn_blocking(move || Tools::plan(&env, &cache)).await??)
}

async fn take(
    env: &Env,
    cache: &Cache,
    step: Step,
    on_progress: &OnProgress,
) -> Result<(), FetchError> {
    match step {
        Step::Venv(tool) => {
            let (env, cache, on_progress) = (env.clone(), cache.clone(), on_progress.clone());
            let install = move || venv::install(&env, &cache, tool, |text| on_progress.step(text));
            tokio::task::spawn_blocking(install).await??;
            Ok(())
        }
        Step::Jar(emulator) => jar(cache, emulator, on_progress).await,
    }
}

async fn jar(
    cache: &Cache,
    emulator: Emulator,
    on_progress: &OnProgress,
) -> Result<(), FetchError> {
    let lock = {
        let (cache, on_progress) = (cache.clone(), on_progress.clone());
        let waiting = move || {
            on_progress
                .step(format!("waiting for another run that fetches the {}", emulator.name()));
        };
        let name = emulator.download().file_name;
        tokio::task::spawn_blocking(move || cache.lock(name, LOCK, waiting)).await??
    };
    let jar = cache.emulators().join(emulator.jar_file_name());
    if jar.exists()
        && Stamp::of(&jar).is_ok_and(|stamp| stamp.vouched_by_sha256 == emulator.download().sha256)
    {
        return Ok(());
    }
    let pinned = emulator.download();
    let wanted = Wanted {
        url: pinned.url.to_owned(),
        sha256: pinned.sha256.to_owned(),
        bytes: pinned.bytes,
        to: cache.emulators().join(pinned.file_name),
    };
    let limits = Limits::default();
    let failed = |cause| FetchError::Download { cause, what_to_do: what_to_do(emulator, cache) };
    let client = client(&limits).map_err(failed)?;
    on_progress.step(format!("downloading the {} {}", emulator.name(), pinned.version));
    download(&client, &wanted, &limits, on_progress).await.map_err(failed)?;
    tokio::task::spawn_blocking(move || keep(&wanted.to, &jar, pinned.sha256)).await??;
    drop(lock);
    Ok(())
}

/// Makes the jar out of the verified download, if that isn't it already.
fn keep(download: &PathBuf, jar: &PathBuf, sha256: &str) -> Result<(), UnpackError> {
    if download != jar {
        unpack::jar(download, jar)?;
    }
    let archive_sha256 = (download != jar).then_some(sha256);
    Stamp::make(jar, archive_sha256).map_err(|cause| UnpackError::Io {
        doing: "hash",
        path: jar.clone(),
        cause,
    })?;
    if download != jar {
        std::fs::remove_file(download).map_err(|cause| UnpackError::Io {
            doing: "remove",
            path: download.clone(),
            cause,
        })?;
    }
    Ok(())
}

fn what_to_do(emulator: Emulator, cache: &Cache) -> String {
    let pinned = emulator.download();
    format!(
        "Without a network there are three ways: fetch {} elsewhere and put it into {}; \
         or install Google's Cloud SDK with the {}; or let {} name its jar.",
        pinned.url,
        cache.emulators().display(),
        emulator.name(),
        emulator.variable()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_network_names_the_url_the_folder_and_the_variable() {
        let env = Env::empty(toolbox::Platform::Debian).with("TWINCLOUD_CACHE", "/c");
        let text = what_to_do(Emulator::PubSub, &Cache::locate(&env).expect("a cache"));
        for part in [toolbox::pins::PUBSUB.url, "/c/emulators", "TWINCLOUD_PUBSUB_EMULATOR_JAR"] {
            assert!(text.contains(part), "{text}");
        }
    }
    #[test]
    fn the_jar_of_a_verified_archive_is_vouched_for_by_it_and_the_archive_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = "pubsub-emulator/lib/cloud-pubsub-emulator-0.8.14-all.jar";
        let archive = unpack::archive(folder.path(), &[inside]);
        let jar = folder.path().join(Emulator::PubSub.jar_file_name());
        keep(&archive, &jar, "hash of the archive").expect("it is kept");
        assert_eq!(Stamp::of(&jar).expect("stamped").vouched_by_sha256, "hash of the archive");
        assert!(jar.exists() && !archive.exists());
    }
}
