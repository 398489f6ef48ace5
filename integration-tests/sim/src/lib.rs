//! Runs and their verdicts, and both clouds simulated in memory. No SDK and no network is in here, so that it is built within
//! a minute of a fresh clone.
//!
//! A run sends a [`workload`] through two clouds, writes down what happens ([`history`]), reads both clouds ([`snapshot`]),
//! and only then do the [`invariants`], pure functions of all that, give the verdict ([`report`]). The crate `harness` has
//! such runs on emulators and on deployed clouds; here are those on clouds in memory ([`simulation`]).

pub mod chaos;
pub mod cloud;
pub mod delivery;
pub mod e2e;
pub mod evidence;
pub mod fault;
pub mod history;
pub mod invariants;
pub mod measure;
pub mod mutants;
pub mod recompute;
pub mod report;
pub mod route;
pub mod run;
pub mod run_dir;
mod run_files;
pub mod scenarios;
pub mod schedule;
pub mod simulation;
pub mod snapshot;
pub mod testbed;
pub mod workload;
