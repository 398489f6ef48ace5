//! Services and jobs of the local replacement for Cloud Run and Cloud Scheduler.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::Error;
use super::http::{Http, send};
use crate::local::run::{Job, JobState, Service, ServiceState};

/// A service has a minute to become ready.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Services and jobs at an endpoint; see [`crate::local::run`].
pub struct Run {
    http: Http,
}

impl Run {
    /// The client of the replacement at `LocalClouds::run_endpoint`.
    pub fn new(endpoint: &str) -> Result<Self, Error> {
        Ok(Self { http: Http::new(endpoint, TIMEOUT)? })
    }

    /// All services, by name.
    pub async fn services(&self) -> Result<Vec<ServiceState>, Error> {
        self.list("services").await
    }

    /// All jobs, by name.
    pub async fn jobs(&self) -> Result<Vec<JobState>, Error> {
        self.list("jobs").await
    }

    /// A service, if it exists.
    pub async fn service(&self, name: &str) -> Result<Option<ServiceState>, Error> {
        self.get("services", name).await
    }

    /// A job, if it exists.
    pub async fn job(&self, name: &str) -> Result<Option<JobState>, Error> {
        self.get("jobs", name).await
    }

    /// Starts or replaces a service, and waits until it is ready.
    pub async fn put_service(&self, name: &str, service: &Service) -> Result<ServiceState, Error> {
        let request = self.http.request(Method::PUT, ["v1", "services", name])?;
        let answer = send(request.json(service), "start service", name).await?;
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            let Error::Refused { answer: problem, .. } = answer.refused() else {
                return Err(answer.refused());
            };
            return Err(Error::Service { service: name.to_owned(), problem });
        }
        answer.good()?.json()
    }

    /// Creates or replaces a job.
    pub async fn put_job(&self, name: &str, job: &Job) -> Result<JobState, Error> {
        let request = self.http.request(Method::PUT, ["v1", "jobs", name])?;
        send(request.json(job), "make job", name).await?.good()?.json()
    }

    /// Ends a service. A missing one is success.
    pub async fn delete_service(&self, name: &str) -> Result<(), Error> {
        self.delete("services", name).await
    }

    /// Deletes a job. A missing one is success.
    pub async fn delete_job(&self, name: &str) -> Result<(), Error> {
        self.delete("jobs", name).await
    }

    async fn list<T: DeserializeOwned>(&self, what: &'static str) -> Result<Vec<T>, Error> {
        let request = self.http.request(Method::GET, ["v1", what])?;
        send(request, "list", what).await?.good()?.json()
    }

    async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let request = self.http.request(Method::GET, ["v1", what, name])?;
        send(request, "read", name).await?.if_there()?.map(|answer| answer.json()).transpose()
    }

    async fn delete(&self, what: &'static str, name: &str) -> Result<(), Error> {
        let request = self.http.request(Method::DELETE, ["v1", what, name])?;
        send(request, "delete", name).await?.if_there().map(drop)
    }
}
