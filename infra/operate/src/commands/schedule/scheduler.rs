//! The part of Cloud Scheduler's API that reads, pauses and resumes a job.

use anyhow::Context as _;
use cli::Failure;
use reqwest::Method;
use serde::Deserialize;

use super::{Desired, Schedule};
use crate::google::Api;

const API: &str = "https://cloudscheduler.googleapis.com";

/// A job of Cloud Scheduler.
pub(super) struct Scheduler {
    api: Api,
    /// `projects/P/locations/R/jobs/J`.
    job: String,
}

#[derive(Deserialize)]
struct Answer {
    schedule: String,
    state: String,
}

impl Scheduler {
    /// A job at the real service, with Application Default Credentials.
    pub(super) fn new(project: &str, region: &str, job: &str) -> anyhow::Result<Self> {
        Ok(Self::at(Api::new(API, "Cloud Scheduler")?, project, region, job))
    }

    fn at(api: Api, project: &str, region: &str, job: &str) -> Self {
        Self { api, job: format!("projects/{project}/locations/{region}/jobs/{job}") }
    }

    /// The state of the job, after applying the wanted one. Idempotent.
    pub(super) async fn set(&self, wanted: Option<Desired>) -> Result<Schedule, Failure> {
        let now = self.ask(Method::GET, "").await?;
        let paused = now.state == "PAUSED";
        let job = match wanted {
            Some(Desired::Paused) if !paused => self.ask(Method::POST, ":pause").await?,
            Some(Desired::Running) if paused => self.ask(Method::POST, ":resume").await?,
            _ => now,
        };
        let name = self.job.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Schedule { name, every: job.schedule, paused: job.state == "PAUSED" })
    }

    async fn ask(&self, method: Method, verb: &str) -> anyhow::Result<Answer> {
        let body = (method == Method::POST).then(|| serde_json::json!({}));
        let path = format!("/v1/{}{verb}", self.job);
        let answer = self.api.ask(method, &path, body.as_ref()).await?;
        serde_json::from_value(answer)
            .with_context(|| format!("read what Cloud Scheduler said of {}", self.job))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A fake Cloud Scheduler with one job in the state `state`; it records the first lines of requests.
    async fn server(state: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let api = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut state = state;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.expect("a request");
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                let line = text.lines().next().unwrap_or_default().to_owned();
                if line.contains(":pause ") {
                    state = "PAUSED";
                } else if line.contains(":resume ") {
                    state = "ENABLED";
                }
                log.lock().expect("a lock").push(line);
                let (status, body) = if state == "GONE" {
                    ("404 Not Found", r#"{"error":{"message":"Job not found."}}"#.to_owned())
                } else {
                    (
                        "200 OK",
                        format!(r#"{{"name":"j","schedule":"*/5 * * * *","state":"{state}"}}"#),
                    )
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.expect("answered");
            }
        });
        (api, asked)
    }

    async fn set(
        state: &'static str,
        wanted: Option<Desired>,
    ) -> (Result<Schedule, Failure>, Vec<String>) {
        let (api, asked) = server(state).await;
        let api = Api::emulated(&api, "Cloud Scheduler").expect("a client");
        let scheduler = Scheduler::at(api, "p", "r", "copy");
        let found = scheduler.set(wanted).await;
        let asked = asked.lock().expect("a lock").clone();
        (found, asked)
    }

    #[tokio::test]
    async fn a_job_is_read_paused_and_resumed_and_twice_is_success() {
        let get = "GET /v1/projects/p/locations/r/jobs/copy HTTP/1.1";
        let pause = "POST /v1/projects/p/locations/r/jobs/copy:pause HTTP/1.1";
        let resume = "POST /v1/projects/p/locations/r/jobs/copy:resume HTTP/1.1";
        for (state, wanted, paused, expected) in [
            ("ENABLED", None, false, vec![get]),
            ("ENABLED", Some(Desired::Paused), true, vec![get, pause]),
            ("PAUSED", Some(Desired::Paused), true, vec![get]),
            ("PAUSED", Some(Desired::Running), false, vec![get, resume]),
        ] {
            let (found, asked) = set(state, wanted).await;
            let found = found.expect("it is there");
            assert_eq!((found.name.as_str(), found.every.as_str()), ("copy", "*/5 * * * *"));
            assert_eq!(
                (found.paused, asked),
                (paused, expected.iter().map(ToString::to_string).collect())
            );
        }
    }

    #[tokio::test]
    async fn a_job_that_is_not_there_is_named() {
        let (found, _) = set("GONE", Some(Desired::Paused)).await;
        let error = found.expect_err("there is none").to_string();
        assert!(error.contains("jobs/copy") && error.contains("Job not found."), "{error}");
    }
}
