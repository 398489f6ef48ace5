//! Structured logs: one JSON object a line on standard output, where Lambda takes them up.

use tracing_subscriber::EnvFilter;

/// Starts logging at the level of `RUST_LOG`, else `info`.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // CloudWatch puts a time of its own on every line.
    tracing_subscriber::fmt().json().flatten_event(true).without_time().with_env_filter(filter).init();
}
