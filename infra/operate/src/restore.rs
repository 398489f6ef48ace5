//! Rebuilds a cloud from its peer, and proves by digests that both hold the same.
//!
//! It runs [`pull`](mod@crate::pull) until nothing is missing, and then [`compare`](mod@crate::compare). It can be
//! stopped at any point, and the next call continues: an object is put after its trades are folded, so an archived object
//! is done.

use pipeline::IngestConfig;
use pipeline::ports::{Archive, CandleStore};
use serde::Serialize;

use crate::Cloud;
use crate::compare::{self, Comparison, Scope};
use crate::pull::{PullError, Pulled, pull};

/// Progress of a restoration.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'p> {
    /// The archives are compared.
    Listing,
    /// Objects are copied, and their trades folded.
    Copying {
        /// Work done so far.
        done: &'p Pulled,
        /// Objects that were missing at the beginning.
        missing: usize,
    },
    /// Archives and candles are compared.
    Proving,
}

/// A rebuilt cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Objects copied.
    pub pulled: Pulled,
    /// The comparison of both clouds afterwards.
    pub proof: Comparison,
}

/// The reason why a cloud was not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Copying was given up.
    #[error("restore: copy what is missing")]
    Pull(#[from] PullError),
    /// A side can't be read.
    #[error("restore: compare both clouds")]
    Compare(#[from] compare::CompareError),
}

impl Restored {
    /// True if both clouds hold the same.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.pulled.is_whole() && self.proof.is_equal()
    }
}

/// Copies into `here` all that it lacks and `peer` has, and compares both within `scope`. The peer is only read.
///
/// Equality is proved if every object was copied and both digests are equal; a difference is part of the result, not an
/// error. `seed` spreads the waits between tries.
pub async fn restore<A, S, P, T>(
    here: &Cloud<A, S>,
    peer: &Cloud<P, T>,
    config: &IngestConfig,
    scope: &Scope,
    seed: u64,
    on_progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Restored, RestoreError>
where
    A: Archive + Clone,
    S: CandleStore + Clone,
    P: Archive + Clone,
    T: CandleStore,
{
    on_progress(Progress::Listing);
    let all = Scope { symbols: config.symbols.clone(), before: None, ..scope.clone() };
    let missing = compare::archives(&here.archive, &peer.archive, &all).await?.missing.count;
    let mut watch = |done: &Pulled| on_progress(Progress::Copying { done, missing });
    let pulled = pull(here, &peer.archive, config, seed, &mut watch).await?;
    on_progress(Progress::Proving);
    let proof = compare::compare(here, peer, scope).await?;
    Ok(Restored { pulled, proof })
}
