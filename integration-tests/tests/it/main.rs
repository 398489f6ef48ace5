//! The tests that start real processes. Those below [`on_emulators`] need what `cargo xtask doctor` lists for the
//! target `processes`; the others need nothing.

mod command;
mod guard;
mod interrupted;
mod lacking;
mod names;
mod on_emulators;
mod settings;
mod supervised;
mod trees;
