//! Dead letters: listing, diagnosis, replay and deletion.
//!
//! The content of a dead-letter queue can only be read by receiving. So each operation receives all messages, up to a bound,
//! and releases those that stay.

use std::collections::BTreeMap;

use bytes::Bytes;
use candle::message::decode;
use candle::{Batch, MessageError, Symbols};
use pipeline::ports::{MessageId, PortError, Queue, Receipt};

/// Messages in one receive.
const BATCH: usize = 10;
/// Answers without a new message after which a queue counts as empty: a single one means little.
const EMPTY_ANSWERS: u32 = 2;

/// A dead letter, hidden from other receivers until released.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its id in the dead-letter queue.
    pub id: MessageId,
    /// The published message.
    pub body: Bytes,
    receipt: Receipt,
}

/// The result of decoding a dead letter now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message can be decoded: the function failed for another reason, which may be gone.
    Readable {
        /// Its content.
        batch: Batch,
    },
    /// The message can't be decoded, and would become a dead letter again.
    Poison(MessageError),
}

impl DeadLetter {
    /// The handle that removes or releases it.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The reason why it is dead, as far as the message itself shows it. `symbols` are those that the functions accept.
    #[must_use]
    pub fn verdict(&self, symbols: &Symbols) -> Verdict {
        decode(&self.body, symbols)
            .map_or_else(Verdict::Poison, |batch| Verdict::Readable { batch })
    }
}

/// Receives up to `max` dead letters. Those that are not removed must be given to [`release`].
pub async fn receive<Q: Queue>(queue: &Q, max: usize) -> Result<Vec<DeadLetter>, PortError> {
    let mut letters: BTreeMap<String, DeadLetter> = BTreeMap::new();
    let mut empty = 0;
    while letters.len() < max && empty < EMPTY_ANSWERS {
        let before = letters.len();
        for message in queue.receive(BATCH.min(max - before)).await? {
            let (id, receipt, body) = (message.id, message.receipt, message.body);
            // A message received again after a long time replaces its expired receipt.
            letters.insert(id.0.clone(), DeadLetter { id, body, receipt });
        }
        empty = if letters.len() == before { empty + 1 } else { 0 };
    }
    Ok(letters.into_values().collect())
}

/// Releases dead letters to the dead-letter queue.
pub async fn release<Q: Queue>(queue: &Q, letters: &[DeadLetter]) -> Result<(), PortError> {
    for letter in letters {
        queue.release(&letter.receipt).await?;
    }
    Ok(())
}

/// Removes a dead letter permanently.
pub async fn discard<Q: Queue>(queue: &Q, letter: &DeadLetter) -> Result<(), PortError> {
    queue.acknowledge(&letter.receipt).await
}

/// Publishes a dead letter to the queue of trades again, and then removes it. A crash in between leaves it in both, which is
/// harmless: its trades are folded once.
pub async fn replay<Q: Queue>(
    dead_letters: &Q,
    queue: &Q,
    letter: &DeadLetter,
) -> Result<MessageId, ReplayError> {
    let body = String::from_utf8(letter.body.to_vec()).map_err(|_| ReplayError::NotText)?;
    let id = queue.publish(vec![body]).await.remove(0).map_err(ReplayError::NotPublished)?;
    discard(dead_letters, letter).await.map_err(ReplayError::NotTakenOff)?;
    Ok(id)
}

/// The reason why a dead letter was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The message is not text, so no queue accepts it.
    #[error("it is not UTF-8 and can't be sent again; `cargo xtask dlq drop` deletes it")]
    NotText,
    /// Publishing failed. It is still a dead letter.
    #[error("send it again: {0}")]
    NotPublished(PortError),
    /// The message was published, but is still a dead letter.
    #[error("sent again, but still a dead letter, as it could not be taken off: {0}")]
    NotTakenOff(PortError),
}
