//! Messages that no function could process: what they are, why they are dead, and what becomes of them.
//!
//! Nothing says what is in a dead-letter queue but receiving from it. So each of these receives all there is, up to a bound,
//! and gives back what stays.

use std::collections::BTreeMap;

use bytes::Bytes;
use candle::message::decode;
use candle::{Batch, MessageError, Symbols};
use pipeline::ports::{MessageId, PortError, Queue, Receipt};

/// Messages that are asked for at once.
const BATCH: usize = 10;
/// Answers without anything new after which a queue counts as empty: one alone means little.
const EMPTY_ANSWERS: u32 = 2;

/// A dead letter, hidden from others until it is given back.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its id in the dead-letter queue.
    pub id: MessageId,
    /// What was published.
    pub body: Bytes,
    receipt: Receipt,
}

/// What a function makes of a dead letter now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can be read: the function failed for another reason, and may well not do so again.
    Readable {
        /// What is in it.
        batch: Batch,
    },
    /// It can't be read, and will be dead again.
    Poison(MessageError),
}

impl DeadLetter {
    /// What takes it off, or gives it back.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Why it is dead, as far as the message itself says it. `symbols` are those that the functions take.
    #[must_use]
    pub fn verdict(&self, symbols: &Symbols) -> Verdict {
        decode(&self.body, symbols)
            .map_or_else(Verdict::Poison, |batch| Verdict::Readable { batch })
    }
}

/// Receives up to `max` dead letters. They are to be given back by [`release`], but for those that are taken off.
pub async fn receive<Q: Queue>(queue: &Q, max: usize) -> Result<Vec<DeadLetter>, PortError> {
    let mut letters: BTreeMap<String, DeadLetter> = BTreeMap::new();
    let mut empty = 0;
    while letters.len() < max && empty < EMPTY_ANSWERS {
        let before = letters.len();
        for message in queue.receive(BATCH.min(max - before)).await? {
            let (id, receipt, body) = (message.id, message.receipt, message.body);
            // One that comes again, since it was held for long, has a receipt that holds for longer.
            letters.insert(id.0.clone(), DeadLetter { id, body, receipt });
        }
        empty = if letters.len() == before { empty + 1 } else { 0 };
    }
    Ok(letters.into_values().collect())
}

/// Gives dead letters back to the dead-letter queue.
pub async fn release<Q: Queue>(queue: &Q, letters: &[DeadLetter]) -> Result<(), PortError> {
    for letter in letters {
        queue.release(&letter.receipt).await?;
    }
    Ok(())
}

/// Takes a dead letter off for good.
pub async fn discard<Q: Queue>(queue: &Q, letter: &DeadLetter) -> Result<(), PortError> {
    queue.acknowledge(&letter.receipt).await
}

/// Sends a dead letter to the queue of trades again, and then takes it off. A crash in between leaves it in both, which
/// changes nothing: its trades are folded once.
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

/// Why a dead letter was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is no text, which a queue would not take again.
    #[error("it is not UTF-8 and can't be sent again; `cargo xtask dlq drop` deletes it")]
    NotText,
    /// The queue did not take it. It is still a dead letter.
    #[error("send it again: {0}")]
    NotPublished(PortError),
    /// It was sent, and is still a dead letter.
    #[error("sent again, but still a dead letter, as it could not be taken off: {0}")]
    NotTakenOff(PortError),
}
