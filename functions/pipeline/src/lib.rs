//! The machinery between a queue and a candle: what any workload of this shape needs, and no cloud.
//!
//! [`ports`] says what the pipeline asks of a cloud; [`ingest`] turns messages into archive
//! objects, [`replicate`] copies those of the other cloud, and both get trades into candles by [`fold`].
//! [`health`] says what is thought of a place to publish to, [`route`] where messages go then.

pub mod backoff;
pub mod config;
pub mod fold;
pub mod health;
pub mod ingest;
pub mod pieces;
pub mod ports;
pub mod replicate;
pub mod route;

pub use backoff::Backoff;
pub use config::{ConfigError, IngestConfig, ReplicateConfig};
pub use fold::Fold;
pub use ingest::{Ingest, Ingested, Outcome};
pub use ports::{Archive, CandleStore, Cursor, PortError, Queue};
pub use replicate::{Replicate, Report};
