//! What the Lambda function does with a schedule's event; testable without the runtime around it.

use std::time::{Duration, SystemTime};

use cloud_aws::{Clients, DynamoCursor, DynamoStore, S3Archive, function};
use cloud_gcp::GcsArchive;
use pipeline::ports::{Archive, CandleStore, Cursor};
use pipeline::{Fold, Replicate, ReplicateConfig};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::now_ms;
use crate::peer::{GooglePeer, NoPeer};

/// Time left for the answer when a run is cut off.
const MARGIN: Duration = Duration::from_secs(1);
/// In the log.
const PEER: &str = "gcp";

/// From Cloud Storage into S3 and `DynamoDB`.
pub type AwsReplicate = Replicate<S3Archive, DynamoStore, GcsArchive, DynamoCursor>;

/// Builds the function from its environment: that of ingest and what [`crate::peer`] names.
pub async fn from_vars(
    clients: &Clients,
    get: impl Fn(&str) -> Option<String>,
    seed: u64,
) -> anyhow::Result<Result<AwsReplicate, NoPeer>> {
    let peer = match GooglePeer::from_vars(&get) {
        Ok(peer) => peer.connect().await?,
        Err(no_peer) => return Ok(Err(no_peer)),
    };
    let ReplicateConfig { ingest, limits } = ReplicateConfig::from_vars(&get)?;
    let (archive, store) = function::archive_and_store(clients, &get)?;
    let cursor = DynamoCursor::beside(&store);
    let backoff = ingest.backoff(seed);
    let fold = Fold::new(store, ingest.intervals, backoff);
    Ok(Ok(Replicate::new(archive, fold, peer, cursor, &ingest.symbols, limits, seed)))
}

/// Runs until shortly before `deadline`, the end of the invocation, and answers with the report. A run that failed
/// is an error of the function, which its alarm counts.
pub async fn handle<A: Archive, S: CandleStore, P: Archive, C: Cursor>(
    replicate: &Result<Replicate<A, S, P, C>, NoPeer>,
    deadline: SystemTime,
) -> anyhow::Result<Value> {
    let replicate = match replicate {
        Ok(replicate) => replicate,
        Err(no_peer) => {
            no_peer.warn(PEER);
            return Ok(json!({ "no_peer": no_peer.to_string() }));
        }
    };
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + left.saturating_sub(MARGIN);
    let report = replicate.run(now_ms(), deadline).await;
    report.log(PEER);
    match &report.failed {
        Some(failed) => anyhow::bail!("replicate: {failed}; the next run tries again"),
        None => Ok(serde_json::to_value(&report)?),
    }
}
