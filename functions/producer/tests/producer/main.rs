//! The spool and the relay: what is on disk after any crash, and what reaches the clouds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod relay;
mod spool;
mod spool_killed;
