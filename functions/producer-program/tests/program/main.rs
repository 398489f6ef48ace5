//! Binance's stream, its REST interface and its limits, against servers of the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binance_limits;
mod binance_proxy;
mod binance_ws;
