//! The producer as a whole: what is on disk after any crash, and what reaches the clouds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binance_limits;
mod binance_proxy;
mod binance_ws;
mod relay;
mod spool;
mod spool_killed;
