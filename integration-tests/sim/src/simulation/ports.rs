//! The ports of a simulated cloud, as one client has them.

use pipeline::ports::{Archive, CandleStore, Cursor, Queue};
use pipeline::route::overrides::OverrideStore;

use crate::history::CloudId;

/// A caller of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// The producer.
    Producer,
    /// The function that takes messages.
    Ingest,
    /// The function that copies, in its own cloud.
    Replicate,
    /// The function that copies, in the other cloud.
    Peer,
}

/// All ports of a cloud for one client. The simulated cloud implements them, and so does each decorator around them.
pub(crate) trait CloudPorts:
    Queue + Archive + CandleStore<Version = u64> + Cursor + OverrideStore + Clone + 'static
{
    /// The queue behind the queue.
    type DeadLetters: Queue;

    /// The cloud.
    fn cloud(&self) -> CloudId;

    /// The client.
    fn client(&self) -> Client;

    /// The queue of messages that were delivered too often.
    fn dead_letters(&self) -> Self::DeadLetters;
}
