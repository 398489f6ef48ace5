//! Operation after deployment: rebuilding a cloud from the other, dead letters, and replication between the clouds.
//!
//! The operations are generic over the ports of `pipeline` and use no settings ([`pull`], [`restore`], [`compare`], [`lag`],
//! [`dead_letters`]); [`commands`] runs them on the clouds that `deploy` deployed. [`game_day`] causes outages and undoes
//! them.

pub mod commands;
pub mod compare;
pub mod dead_letters;
pub mod game_day;
mod google;
pub mod lag;
pub mod pull;
pub mod restore;

/// A cloud's archive and candles.
#[derive(Clone, Debug)]
pub struct Cloud<A, S> {
    /// The archive.
    pub archive: A,
    /// The candles.
    pub store: S,
}
