//! Where both clouds meet: each pulls from the other's archive what is missing here.
//!
//! What is done is `pipeline::replicate`; here is who asks whom ([`peer`]), by what right ([`federation`]: no key of
//! one cloud is stored in the other), and what starts a run: a schedule's event on AWS ([`aws`]), a schedule's request
//! on Google Cloud ([`gcp`], [`service`]).

pub mod aws;
pub mod gcp;
pub mod peer;
mod peers;
pub mod service;

pub use peers::Peers;

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day, for the window and for the lag alone.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
