//! Structured logs: one JSON object a line on standard output, which Lambda collects.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// Starts logging at the level of `RUST_LOG` (a level, or `target=level` pairs), else `info`.
pub fn init() {
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // CloudWatch adds its own time to every line.
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).without_time();
    tracing_subscriber::registry().with(filter).with(lines).init();
}
