//! The Cloud Run service from its environment.

use std::time::Duration;

use cloud_aws::S3Archive;
use cloud_gcp::{FirestoreCursor, FirestoreStore, GcsArchive, service};
use pipeline::config::optional;
use pipeline::{ConfigError, Fold, Replicate, ReplicateConfig};

use crate::peer::{AwsPeer, FIRST, NoPeer};
use crate::peers::Peers;
use crate::service::Settings;

/// From S3 into Cloud Storage and Firestore, from each of AWS's regions that has a stack.
pub type GcpReplicate = Peers<GcsArchive, FirestoreStore, S3Archive, FirestoreCursor>;

/// Builds the service from its environment: that of ingest and what [`crate::peer`] names.
pub async fn from_vars(
    get: impl Fn(&str) -> Option<String>,
    seed: u64,
) -> anyhow::Result<Result<GcpReplicate, NoPeer>> {
    let peers = match AwsPeer::all_from_vars(&get) {
        Ok(peers) => peers,
        Err(no_peer) => return Ok(Err(no_peer)),
    };
    let ReplicateConfig { ingest, limits } = ReplicateConfig::from_vars(&get)?;
    let (archive, store) = service::archive_and_store(&get).await?;
    let mut each = Vec::new();
    for (name, peer) in peers {
        let cursor = FirestoreCursor::beside(&store);
        let cursor = if name == FIRST { cursor } else { cursor.for_peer(&name) };
        let seed = seed.wrapping_add(each.len() as u64);
        let fold = Fold::new(store.clone(), ingest.intervals.clone(), ingest.backoff(seed));
        let (archive, peer) = (archive.clone(), peer.connect().await?);
        let symbols = &ingest.symbols;
        each.push((name, Replicate::new(archive, fold, peer, cursor, symbols, limits, seed)));
    }
    Ok(Ok(Peers::new(each)))
}

/// `TWINCLOUD_REPLICATE_PATH`, else `/`, and `TWINCLOUD_REPLICATE_BUDGET_S`, else 240: less than the five minutes
/// between two runs of the schedule.
pub fn settings(get: impl Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let path = optional(&get, "TWINCLOUD_REPLICATE_PATH", "/".to_owned())?;
    if !path.starts_with('/') || path == "/healthz" {
        let why = format!("{path:?}: it must start with a slash, and /healthz is taken");
        return Err(ConfigError { name: "TWINCLOUD_REPLICATE_PATH", why });
    }
    let budget = Duration::from_secs(optional(&get, "TWINCLOUD_REPLICATE_BUDGET_S", 240)?);
    Ok(Settings { path, budget })
}
