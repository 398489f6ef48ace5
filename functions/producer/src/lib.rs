//! Where trades come from, and how they become messages.
//!
//! [`binance_ws`] listens to Binance, [`recording`] reads frames from a file, [`generator`] makes them up from a seed,
//! [`batcher`] turns trades into queue messages of bounded size, [`spool`] keeps those on disk until a cloud has them,
//! and [`relay`] takes them to the clouds. [`program`] is all of it as the program `producer`, which is told what to do
//! by [`config`], tells what it does as [`events`] and how it is as [`status`].

pub mod batcher;
pub mod binance_ws;
pub mod config;
pub mod events;
pub mod generator;
pub mod position;
pub mod program;
pub mod recording;
pub mod relay;
pub mod spool;
pub mod status;

pub use batcher::{BatchLimits, Batcher};
pub use generator::{Generator, Start};
pub use recording::{Counts, Recorded, Recording, SourceError, SourceTrade, Wanted};
pub use relay::{Event, Relay, RelayConfig, Relayed};
