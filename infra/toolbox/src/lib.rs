//! Finds the programs and emulators that the project runs, and tells how to get missing ones.
//!
//! No network, async runtime or SDK is needed here, except that [`venv::install`] runs `pip`, and [`release`] runs `curl`.
//! Downloads of the two Google emulators are done by the harness, which has an HTTP client.
//!
//! Every look-up takes an [`Env`], so a test can run it in a made-up environment.

pub mod cache;
pub mod cloud_sdk;
pub mod docker;
pub mod emulators;
mod env;
pub mod github;
mod item;
pub mod java;
pub mod pins;
mod process;
mod programs;
pub mod python;
pub mod release;
mod report;
pub mod static_libc;
mod surroundings;
mod tools;
pub mod venv;
pub mod verify;

#[cfg(test)]
mod testing;

pub use cache::Cache;
pub use env::{Env, Platform};
pub use item::{Item, Need, Source, Status};
pub use programs::{DEV_CONTAINER, how_to_get};
pub use report::{Report, STATIC_LIBC};
pub use tools::{NotPossible, Plan, Step, Tools};
