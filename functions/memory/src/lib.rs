//! A cloud in memory, behind the same ports as the real ones and on tokio's clock: with a paused clock and a
//! seeded scheduler a run repeats exactly. It also counts its effects and can stop the caller between any two.
//! [`LogLines`] keeps log lines in memory, for tests.

mod archive;
mod cursor;
mod effects;
mod log;
mod override_store;
mod queue;
mod store;

pub use archive::MemoryArchive;
pub use cursor::MemoryCursor;
pub use effects::Effects;
pub use log::LogLines;
pub use override_store::MemoryOverrideStore;
pub use queue::{MemoryQueue, QueueConfig};
pub use store::MemoryStore;
