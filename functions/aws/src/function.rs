//! The Lambda function's handler; testable without the runtime around it.

use anyhow::Context as _;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use pipeline::config::required;
use pipeline::ports::{Archive, CandleStore};
use pipeline::{ConfigError, Ingest, IngestConfig, Outcome};

use crate::{Clients, DynamoStore, S3Archive};

/// The ingest function over `DynamoDB` and S3.
pub type AwsIngest = Ingest<S3Archive, DynamoStore>;

/// Builds the function from the environment variables of [`archive_and_store`] and [`IngestConfig`].
pub fn from_vars(
    clients: &Clients,
    get: impl Fn(&str) -> Option<String>,
    seed: u64,
) -> anyhow::Result<AwsIngest> {
    let config = IngestConfig::from_vars(&get)?;
    let (archive, store) = archive_and_store(clients, &get)?;
    let backoff = config.backoff(seed);
    Ok(Ingest::new(archive, store, config.symbols, config.intervals, backoff))
}

/// The archive and the candles that the environment names: `TWINCLOUD_BUCKET` and `TWINCLOUD_TABLE`.
pub fn archive_and_store(
    clients: &Clients,
    get: impl Fn(&str) -> Option<String>,
) -> Result<(S3Archive, DynamoStore), ConfigError> {
    let archive = S3Archive::new(clients.s3.clone(), required(&get, "TWINCLOUD_BUCKET")?);
    let store = DynamoStore::new(clients.dynamodb.clone(), required(&get, "TWINCLOUD_TABLE")?);
    Ok((archive, store))
}

/// Ingests the messages of an event and returns those that must be redelivered
/// (`ReportBatchItemFailures`).
///
/// An error fails the whole batch: only for an event that names no message ids, which SQS does not send.
pub async fn handle<A: Archive, S: CandleStore>(
    ingest: &Ingest<A, S>,
    event: SqsEvent,
) -> anyhow::Result<SqsBatchResponse> {
    let mut ids = Vec::with_capacity(event.records.len());
    let mut bodies = Vec::with_capacity(event.records.len());
    for record in event.records {
        ids.push(record.message_id.context("read the event: a record has no messageId")?);
        bodies.push(record.body.unwrap_or_default());
    }
    let outcomes = ingest.messages(&bodies).await;
    let mut response = SqsBatchResponse::default();
    let mut trades = 0;
    for (id, outcome) in ids.iter().zip(&outcomes) {
        match outcome {
            Outcome::Ingested(ingested) => trades += ingested.trades,
            Outcome::Poison(error) => tracing::warn!(message_id = id, %error, "poison"),
            Outcome::Failed(error) => tracing::error!(message_id = id, %error, "failed"),
        }
        if !outcome.acknowledge() {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier.clone_from(id);
            response.batch_item_failures.push(failure);
        }
    }
    let failures = response.batch_item_failures.len();
    tracing::info!(messages = ids.len(), failures, trades, "ingested");
    Ok(response)
}
