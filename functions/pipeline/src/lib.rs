//! Everything between a queue and a candle, independent of any cloud.
//!
//! [`ports`] are the interfaces to a cloud. [`ingest`] turns messages into archive objects and candles,
//! [`replicate`] copies objects of the other cloud, and both use [`fold`] to add trades to candles.
//! [`health`] is the health state of a target, [`route`] chooses the targets of a message.

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
