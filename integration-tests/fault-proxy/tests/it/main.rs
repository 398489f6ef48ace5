//! Every fault, before small servers of our own.

mod aws;
mod bytes_pass;
mod google;
mod life;
mod requests;
mod servers;
mod tcp;
