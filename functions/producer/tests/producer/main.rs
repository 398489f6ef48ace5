//! Tests of the spool and the relay: the disk after any crash, and the messages that reach the
//! clouds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod relay;
mod spool;
mod spool_killed;
