//! Local Cloud Scheduler: a POST on a period, never two of one job at a time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deploy::local::run::{Job, JobState, LastRun};
use reqwest::{Client, Url};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::problem::{Problem, bad, check_name, full, missing};

const JOBS_MAX: usize = 16;
const PERIOD_S_MAX: u32 = 24 * 60 * 60;
/// Longest run; Cloud Scheduler waits half an hour at most.
const RUN_TIMEOUT: Duration = Duration::from_mins(30);
/// Bytes of an answer that are kept.
const ANSWER_BYTES: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Jobs {
    client: Client,
    scheduled: Mutex<BTreeMap<String, Scheduled>>,
}

#[derive(Debug)]
struct Scheduled {
    job: Job,
    runs: Arc<Mutex<Runs>>,
    running: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Runs {
    count: u64,
    last: Option<LastRun>,
}

impl Scheduled {
    fn state(&self, name: &str) -> JobState {
        let Job { uri, every_s, paused, labels } = self.job.clone();
        let Runs { count: runs, last } = locked(&self.runs).clone();
        JobState { name: name.to_owned(), uri, every_s, paused, labels, runs, last }
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Jobs {
    pub(super) fn new() -> reqwest::Result<Self> {
        let client = Client::builder().no_proxy().timeout(RUN_TIMEOUT);
        // A redirect could lead off this machine.
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, scheduled: Mutex::default() })
    }

    pub(super) fn all(&self) -> Vec<JobState> {
        let scheduled = locked(&self.scheduled);
        scheduled.iter().map(|(name, scheduled)| scheduled.state(name)).collect()
    }

    pub(super) fn get(&self, name: &str) -> Result<JobState, Problem> {
        let state = locked(&self.scheduled).get(name).map(|scheduled| scheduled.state(name));
        state.ok_or_else(|| missing("job", name))
    }

    /// Makes it, or replaces it if anything differs. A run under way is given up then.
    pub(super) fn put(&self, name: &str, job: Job) -> Result<JobState, Problem> {
        check_name(name)?;
        let uri = check(&job)?;
        let mut scheduled = locked(&self.scheduled);
        let there = scheduled.get(name);
        if let Some(there) = there.filter(|there| there.job == job) {
            return Ok(there.state(name));
        }
        if there.is_none() && scheduled.len() >= JOBS_MAX {
            return Err(full("job", JOBS_MAX));
        }
        let runs = there.map(|there| Arc::clone(&there.runs)).unwrap_or_default();
        let period = (!job.paused).then(|| Duration::from_secs(u64::from(job.every_s)));
        let running = tokio::spawn(run(self.client.clone(), uri, period, Arc::clone(&runs)));
        let new = Scheduled { job, runs, running };
        let state = new.state(name);
        scheduled.insert(name.to_owned(), new);
        Ok(state)
    }

    pub(super) fn delete(&self, name: &str) -> Result<JobState, Problem> {
        let removed = locked(&self.scheduled).remove(name);
        removed.map(|scheduled| scheduled.state(name)).ok_or_else(|| missing("job", name))
    }

    pub(super) fn stop(&self) {
        locked(&self.scheduled).clear();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(job: &Job) -> Result<Url, Problem> {
    if !(1..=PERIOD_S_MAX).contains(&job.every_s) {
        return Err(bad(format!("every_s must be 1 to {PERIOD_S_MAX}")));
    }
    let refused =
        || bad(format!("uri {:?} must be http:// and on this machine's loopback", job.uri));
    let uri = Url::parse(&job.uri).map_err(|_| refused())?;
    let host = uri.host_str().and_then(|host| host.parse::<IpAddr>().ok());
    let local = uri.scheme() == "http" && host.is_some_and(|host| host.is_loopback());
    if local { Ok(uri) } else { Err(refused()) }
}

async fn run(client: Client, uri: Url, period: Option<Duration>, runs: Arc<Mutex<Runs>>) {
    let Some(period) = period else { return };
    let mut ticks = interval_at(Instant::now() + period, period);
    // One that took longer than the period isn't made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        let (status, answer) = match post(&client, uri.clone()).await {
            Ok((status, answer)) => (Some(status), answer),
            Err(error) => (None, error.to_string()),
        };
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut runs = locked(&runs);
        runs.count += 1;
        runs.last = Some(LastRun { status, answer, took_ms });
    }
}

async fn post(client: &Client, uri: Url) -> reqwest::Result<(u16, String)> {
    let mut answer = client.post(uri).send().await?;
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(ANSWER_BYTES);
    Ok((answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
}
