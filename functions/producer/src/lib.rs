//! Where trades come from, and how they become messages.
//!
//! [`recording`] reads frames from a file, [`generator`] makes them up from a seed, [`batcher`] turns trades into
//! queue messages of bounded size.

pub mod batcher;
pub mod generator;
pub mod recording;

pub use batcher::{BatchLimits, Batcher};
pub use generator::Generator;
pub use recording::{Recorded, Recording, SourceError, SourceTrade};
