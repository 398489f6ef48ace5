//! The machinery between a queue and a candle: what any workload of this shape needs, and no cloud.
//!
//! [`ports`] says what the pipeline asks of a cloud; [`ingest`] is the one way in which trades become
//! archive objects and candles. Live traffic, a retry, a replay and a copy from the other cloud all take it.
//! [`health`] says what is thought of a place to publish to, [`route`] where messages go then.

pub mod backoff;
pub mod config;
pub mod health;
pub mod ingest;
pub mod ports;
pub mod route;

pub use backoff::Backoff;
pub use config::{ConfigError, IngestConfig};
pub use ingest::{Ingest, Ingested, Outcome};
pub use ports::{Archive, CandleStore, PortError, Queue};
