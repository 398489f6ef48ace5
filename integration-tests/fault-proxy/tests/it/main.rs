//! Every fault, with small test servers.

#![expect(clippy::unwrap_used, reason = "all of it is a test, its servers too")]

mod aws;
mod bytes_pass;
mod emulators;
mod google;
mod life;
mod requests;
mod servers;
mod tcp;
