//! Where trades come from, and how they become messages.
//!
//! [`recording`] reads trades from a file, [`generator`] makes them up from a seed, [`batcher`] turns trades into queue
//! messages of bounded size, [`spool`] keeps those on disk until a cloud has them, and [`relay`] takes them to the clouds.
//! [`config`] is the configuration of the program `producer`, [`events`] what it writes about its work, [`status`] its state.
//! No cloud and no network is in here: the crate `producer-program` is the program with both.

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
