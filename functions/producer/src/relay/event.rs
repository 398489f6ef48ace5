//! What a relay tells of, in the order in which it happens.

use candle::message::Batch;
use pipeline::health::State;
use pipeline::route::Route;
use pipeline::route::epoch::Fenced;

use crate::spool::SpoolError;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message is on disk.
    Spooled {
        /// Its number in the spool.
        sequence: u64,
        /// What is in it.
        batch: &'a Batch,
    },
    /// A target has acknowledged a message.
    Accepted {
        /// The target.
        target: &'a str,
        /// The message.
        sequence: u64,
        /// No target had before: from now on its trades count as accepted.
        is_first: bool,
    },
    /// Nobody knows whether a target has a message. It will be sent again.
    Unknown {
        /// The target.
        target: &'a str,
        /// The message.
        sequence: u64,
        /// What is known.
        why: &'a str,
    },
    /// A target did not take a message, or nobody was there. It will be sent again.
    Refused {
        /// The target.
        target: &'a str,
        /// The message.
        sequence: u64,
        /// What it said.
        why: &'a str,
    },
    /// A target is thought of otherwise than before.
    Health {
        /// The target.
        target: &'a str,
        /// What it is thought to be.
        state: State,
    },
    /// A store bears another birth mark than before, or none any more: it may have lost what it held.
    Reborn {
        /// The store: a cloud, or AWS in another region.
        store: &'a str,
        /// Whether there is anything that only it had, which is published again.
        is_any: bool,
    },
    /// Messages go elsewhere than before; what the new targets do not have of the spool is published to them.
    Routed {
        /// Where they go; its `change` tells of a failover.
        route: &'a Route,
        /// The epoch of the latest order by hand.
        epoch: u64,
    },
    /// Another target than before gets what nobody has acknowledged, or none does any more.
    Hedged {
        /// Where messages go; its `hedge` is new.
        route: &'a Route,
        /// The epoch of the latest order by hand.
        epoch: u64,
    },
    /// Nothing is published any more, or something is again.
    Fenced {
        /// Why nothing is; `None`: it is again.
        why: Option<Fenced>,
        /// Where messages go, if they do.
        route: &'a Route,
        /// The epoch of the latest order by hand.
        epoch: u64,
    },
    /// Nothing more fits: the source waits.
    Full {
        /// Why, and what to do.
        error: &'a SpoolError,
    },
}
