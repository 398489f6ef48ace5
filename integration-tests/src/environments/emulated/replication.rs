//! Starts the functions that copy, again and again: what the schedules of both clouds do, only more often.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_lambda::primitives::Blob;
use infra::{Settings, names};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::history::{CloudId, Event, History};

/// Timeout of a run.
const LIMIT: Duration = Duration::from_mins(5);

/// Starter of both functions.
#[derive(Clone, Debug)]
pub struct Replication {
    lambda: aws_sdk_lambda::Client,
    function: String,
    http: reqwest::Client,
    service: String,
    history: History,
}

/// Report of a run; see `pipeline::replicate::Report`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Copied {
    /// Objects that are here now because of the run.
    pub copied: u64,
    /// Their trades.
    pub trades: u64,
    /// Which ones, by symbol.
    pub ids: BTreeMap<String, Vec<(u64, u64)>>,
    /// True if the run has compared everything, and all of it is here.
    pub complete: bool,
    /// Its duration.
    pub took_ms: u64,
}

impl Replication {
    pub(super) fn new(
        aws: &aws_config::SdkConfig,
        settings: &Settings,
        service: &str,
        history: &History,
    ) -> Self {
        // A run takes as long as it takes, and is not to be started twice.
        let config = aws_sdk_lambda::config::Builder::from(aws)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .timeout_config(
                aws_config::timeout::TimeoutConfig::builder()
                    .operation_attempt_timeout(LIMIT)
                    .build(),
            );
        Self {
            lambda: aws_sdk_lambda::Client::from_conf(config.build()),
            function: names::aws_replicate(settings),
            http: reqwest::Client::builder().no_proxy().build().unwrap_or_default(),
            service: format!("{service}{}", settings.gcp.replicate.path),
            history: history.clone(),
        }
    }

    /// One run into `cloud`, from the other one.
    pub async fn run(&self, cloud: CloudId) -> anyhow::Result<Copied> {
        let answer = match cloud {
            CloudId::Aws => self.lambda().await,
            CloudId::Gcp => self.service().await,
        };
        let copied: Copied = match answer {
            Ok(answer) => serde_json::from_slice(&answer).with_context(|| {
                format!("read what replicate said: {}", String::from_utf8_lossy(&answer))
            })?,
            Err(error) => return Err(error),
        };
        if copied.copied > 0 {
            let Copied { copied: objects, trades, took_ms, .. } = copied;
            let trade_ids = copied.ids.clone();
            self.history.record(Event::Replicated { cloud, objects, trades, trade_ids, took_ms });
        }
        Ok(copied)
    }

    async fn lambda(&self) -> anyhow::Result<Vec<u8>> {
        let call = self.lambda.invoke().function_name(&self.function).payload(Blob::new("{}"));
        let answer = call.send().await.context("start the Lambda function")?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if let Some(error) = answer.function_error {
            anyhow::bail!("{error}: {}", String::from_utf8_lossy(&payload));
        }
        Ok(payload)
    }

    async fn service(&self) -> anyhow::Result<Vec<u8>> {
        let request = self.http.post(&self.service).timeout(LIMIT);
        let answer = request.send().await.context("start the Cloud Run service")?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if !status.is_success() {
            anyhow::bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body.into())
    }

    /// Runs both over and over until what comes back is dropped, with a pause between two runs of one.
    #[must_use]
    pub fn on_schedule(&self, pause: Duration) -> JoinSet<()> {
        let mut schedules = JoinSet::new();
        for cloud in [CloudId::Aws, CloudId::Gcp] {
            let replication = self.clone();
            schedules.spawn(async move { replication.over_and_over(cloud, pause).await });
        }
        schedules
    }

    async fn over_and_over(&self, cloud: CloudId, pause: Duration) {
        let mut told = String::new();
        loop {
            match self.run(cloud).await {
                Ok(_) => told.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    // Told once, and not again each time while it lasts.
                    if error != told {
                        told.clone_from(&error);
                        self.history.record(Event::ReplicateFailed { cloud, error });
                    }
                }
            }
            sleep(pause).await;
        }
    }
}
