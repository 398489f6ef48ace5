//! Sources of trades, and the way of trades into messages and messages to the clouds.
//!
//! [`recording`] reads trades from a file, [`generator`] makes them up from a seed, [`batcher`] packs trades into messages of
//! bounded size, [`spool`] keeps those on disk until a cloud has them, and [`relay`] publishes them. [`config`] is the
//! configuration of the program `producer`, [`events`] its event log, [`status`] its state. This crate uses no cloud and no
//! network: the program itself is the crate `producer-program`.

pub mod batcher;
pub mod events;
pub mod generator;
pub mod position;
pub mod recording;
pub mod relay;
pub mod spool;
pub mod status;

pub use producer_config as config;

pub use batcher::{BatchLimits, Batcher};
pub use events::Event;
pub use generator::{Generator, Start};
pub use recording::{Counts, Recorded, Recording, SourceError, SourceTrade, Wanted};
pub use relay::{Relay, RelayConfig, Relayed};
