//! The tests that start real processes.

mod guard;
mod local_clouds;
mod supervised;
mod trees;
