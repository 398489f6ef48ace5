//! The harness: local clouds, workloads, histories, snapshots, invariants and verdicts.
//!
//! A run sends a [`workload`] through two clouds of a target ([`targets`]), writes down what happens ([`history`]),
//! reads both clouds ([`snapshot`]), and only then do the [`invariants`], pure functions of all that, give the
//! verdict ([`report`]).

pub mod chaos;
pub mod chaos_sim;
pub mod cloud;
pub mod cold_start;
pub mod containers;
pub mod delivery;
pub mod docker;
pub mod e2e;
pub mod emulator;
pub mod evidence;
pub mod game_day;
pub mod history;
pub mod invariants;
pub mod local;
pub mod measure;
pub mod outcome;
pub mod planted;
pub mod processes;
pub use deploy::progress;
pub mod recompute;
pub mod report;
pub mod run;
pub mod run_dir;
pub mod scenarios;
pub mod schedule;
pub mod snapshot;
pub mod stack_bench;
pub mod stage;
pub mod targets;
pub mod workload;
