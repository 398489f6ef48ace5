//! Clouds on emulators.

pub mod emulated;
