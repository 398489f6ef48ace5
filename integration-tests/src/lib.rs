//! The harness: both clouds on emulators or as they are deployed, and the runs and scenarios on them.
//!
//! What a run is made of and how it gets its verdict is in the crate `sim`, which has no SDK.

pub mod chaos;
pub mod cold_start;
pub mod containers;
pub mod docker;
pub mod e2e;
pub mod emulator;
pub mod environments;
pub mod game_day;
pub mod local;
pub mod processes;
pub mod stack_bench;
pub mod stage;

pub(crate) use sim::{
    cloud, delivery, evidence, fault, history, invariants, report, run, scenarios, schedule,
    snapshot, testbed, workload,
};
