//! Day two: rebuilding a cloud from the other, dead letters, and replication between the clouds.
//!
//! What is done is generic over the ports of `pipeline` and knows no settings ([`pull`], [`restore`], [`compare`], [`lag`],
//! [`dead_letters`]); [`commands`] is what a person types, on the clouds that `deploy` deployed. [`game_day`] takes parts of
//! them away and gives them back.

pub mod commands;
pub mod compare;
pub mod dead_letters;
pub mod game_day;
mod google;
pub mod lag;
pub mod pull;
pub mod restore;

/// A cloud's archive, and the candles of what is in it.
#[derive(Clone, Debug)]
pub struct Cloud<A, S> {
    /// The archive.
    pub archive: A,
    /// The candles.
    pub store: S,
}
