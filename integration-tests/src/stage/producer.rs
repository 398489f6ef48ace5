//! The producer, as a process that can be killed, and its events.

use std::collections::BTreeMap;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use producer::events::Entry;
use tokio::io::{AsyncBufReadExt as _, AsyncSeekExt as _, BufReader};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::feed::Feed;
use crate::history::{Event, History};
use crate::processes::supervised::{Exit, GuardProgram, Spec, Supervised};
use crate::workload::Workload;

/// Interval between looks at its events.
const POLL: Duration = Duration::from_millis(5);

/// Settings of the producer.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The program that has the subcommand `guard`.
    pub(super) guard: GuardProgram,
    /// The program.
    pub(super) program: PathBuf,
    /// The run's folder: spool, events and status are in it.
    pub(super) run_dir: PathBuf,
    /// The load.
    pub(super) workload: Arc<Workload>,
    /// Trades a second; `None`: as fast as they go.
    pub(super) rate: Option<u32>,
    /// Its environment.
    pub(super) env: BTreeMap<String, String>,
}

impl Options {
    /// Path of the program, next to this one.
    pub(super) fn own_program() -> anyhow::Result<PathBuf> {
        let own = std::env::current_exe().context("find this program")?;
        Ok(own.with_file_name("producer"))
    }

    fn events(&self) -> PathBuf {
        self.run_dir.join("producer-events.jsonl")
    }
}

/// The producer that runs.
#[derive(Debug)]
pub(super) struct Producer {
    options: Options,
    /// Its source, if it has a rate.
    feed: Option<Feed>,
    process: Supervised,
    follower: JoinHandle<()>,
}

impl Producer {
    /// Starts it; its events go into the history.
    pub(super) async fn start(options: Options, history: &History) -> anyhow::Result<Self> {
        let feed = |rate| Feed::new(&options.run_dir, Arc::clone(&options.workload), rate);
        let mut feed = options.rate.map(feed);
        let process = spawn(&options, feed.as_mut()).await?;
        let follower = tokio::spawn(follow(history.clone(), options.events()));
        Ok(Self { options, feed, process, follower })
    }

    /// `kill -9`, and says what it hit. It stays dead until [`Self::start_again`].
    pub(super) async fn kill(&mut self) -> anyhow::Result<u32> {
        let pid = self.process.pid().context("the producer has ended by itself")?;
        self.process.kill9().await?;
        Ok(pid)
    }

    /// Starts another one on the same spool.
    pub(super) async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.options, self.feed.as_mut()).await?;
        Ok(())
    }

    /// Slows its source down no longer.
    pub(super) fn release(&self) {
        if let Some(feed) = &self.feed {
            feed.release();
        }
    }

    /// Waits until it has published everything.
    pub(super) async fn done(&mut self, history: &History) -> anyhow::Result<()> {
        self.release();
        let exit = match &mut self.feed {
            Some(feed) => tokio::select! {
                exit = self.process.wait() => exit,
                error = feed.failed() => return Err(error),
            },
            None => self.process.wait().await,
        };
        if exit != Exit::Code(0) {
            return Err(self.process.ended().into());
        }
        // Its last events are still to be read.
        while !history.tally(|tally| tally.is_done) {
            anyhow::ensure!(!self.follower.is_finished(), "the producer's events can't be read");
            sleep(POLL).await;
        }
        Ok(())
    }

    /// True if it has ended.
    #[must_use]
    pub(super) fn has_ended(&self) -> bool {
        self.process.exited().is_some()
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.follower.abort();
        // It would wait for its source.
        drop(self.feed.take());
        self.process.stop().await?;
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn spawn(options: &Options, feed: Option<&mut Feed>) -> anyhow::Result<Supervised> {
    let path = |path: PathBuf| path.display().to_string();
    let source = match feed {
        Some(feed) => {
            feed.start().await?;
            feed.source()
        }
        None => path(options.run_dir.join("trades.jsonl")),
    };
    let mut spec = Spec::new("producer", &options.program, &options.run_dir)
        .args(["--source", source.as_str()])
        .args(["--spool".to_owned(), path(options.run_dir.join("spool"))])
        .args(["--events".to_owned(), path(options.events())]);
    if let Some(rate) = options.rate {
        spec = spec.args(["--rate".to_owned(), rate.to_string()]);
    }
    for (name, value) in &options.env {
        spec = spec.env(name, value);
    }
    Ok(Supervised::spawn(&options.guard, spec).await?)
}

/// Copies the producer's events into the history, as they come.
async fn follow(history: History, path: PathBuf) {
    let Some(file) = until_there(&path).await else { return };
    let mut reader = BufReader::new(file);
    let mut at = 0;
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader.read_line(&mut line).await.unwrap_or(0);
        if line.ends_with('\n') {
            at += read as u64;
            if let Ok(entry) = serde_json::from_str::<Entry>(&line) {
                history.record_at(entry.at_us, Event::Producer(entry.event));
            }
            continue;
        }
        // The end for now, or half a line; of a killed producer, that half stays.
        sleep(POLL).await;
        if reader.seek(SeekFrom::Start(at)).await.is_err() {
            return;
        }
    }
}

/// The producer makes the file.
async fn until_there(path: &Path) -> Option<tokio::fs::File> {
    loop {
        match tokio::fs::File::open(path).await {
            Ok(file) => return Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => sleep(POLL).await,
            Err(_) => return None,
        }
    }
}
