//! The queue port in memory: visibility timeout, redelivery, dead letters.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pipeline::ports::{Fault, MessageId, PortError, Queue, Receipt, Received};
use tokio::time::{Instant, sleep};

use crate::Effects;

/// The longest wait of a receive for a first message, as in a long poll.
const RECEIVE_WAIT: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_millis(5);

/// A queue in memory; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    state: Arc<Mutex<State>>,
    config: QueueConfig,
    effects: Effects,
    dead_letters: Option<Box<MemoryQueue>>,
}

/// Settings that a real queue gets from the deployment.
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    /// The time for which a received message stays hidden.
    pub visibility_timeout: Duration,
    /// Deliveries before a message becomes a dead letter.
    pub max_receive_count: u32,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    next_receipt: u64,
    messages: VecDeque<Message>,
}

impl State {
    fn push(&mut self, body: Bytes) -> u64 {
        self.next_id += 1;
        let (id, receive_count, receipt, visible_at) = (self.next_id, 0, 0, None);
        self.messages.push_back(Message { id, body, receive_count, receipt, visible_at });
        id
    }
}

#[derive(Debug)]
struct Message {
    id: u64,
    body: Bytes,
    receive_count: u32,
    receipt: u64,
    visible_at: Option<Instant>,
}

impl MemoryQueue {
    /// An empty queue whose effects are counted by `effects`.
    ///
    /// Messages delivered too often go to `dead_letters`; without such a queue they are redelivered without end.
    #[must_use]
    pub fn new(config: QueueConfig, effects: Effects, dead_letters: Option<MemoryQueue>) -> Self {
        Self { state: Arc::default(), config, effects, dead_letters: dead_letters.map(Box::new) }
    }

    /// Messages that are neither acknowledged nor dead letters, including hidden ones.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.with(|state| state.messages.len())
    }

    /// Makes a received message visible again after a pause, which depends on its number of deliveries: the effect of a
    /// retry policy on a message that was not acknowledged.
    pub fn redeliver(&self, receipt: &Receipt, pause: impl FnOnce(u32) -> Duration) {
        self.of(receipt, |message| {
            message.visible_at = Some(Instant::now() + pause(message.receive_count));
        });
    }

    /// Undoes a delivery: the message is visible at once, and the delivery does not count.
    pub fn undeliver(&self, receipt: &Receipt) {
        self.of(receipt, |message| {
            message.receive_count = message.receive_count.saturating_sub(1);
            message.visible_at = None;
        });
    }

    /// Changes the message of a receipt, unless it was redelivered or acknowledged since.
    fn of(&self, receipt: &Receipt, change: impl FnOnce(&mut Message)) {
        let Ok(receipt) = receipt.0.parse::<u64>() else { return };
        self.with(|state| {
            let mut messages = state.messages.iter_mut();
            if let Some(message) = messages.find(|message| message.receipt == receipt) {
                change(message);
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_visible(&self, max: usize) -> Vec<Received> {
        let now = Instant::now();
        self.with(|state| {
            let mut received = Vec::new();
            let mut kept = VecDeque::with_capacity(state.messages.len());
            for mut message in std::mem::take(&mut state.messages) {
                let hidden = message.visible_at.is_some_and(|at| at > now);
                if hidden || received.len() == max {
                    kept.push_back(message);
                } else if let Some(dead_letters) = &self.dead_letters
                    && message.receive_count >= self.config.max_receive_count
                {
                    dead_letters.with(|state| state.push(message.body));
                } else {
                    state.next_receipt += 1;
                    message.receive_count += 1;
                    message.receipt = state.next_receipt;
                    message.visible_at = Some(now + self.config.visibility_timeout);
                    received.push(Received {
                        id: MessageId(message.id.to_string()),
                        receipt: Receipt(message.receipt.to_string()),
                        body: message.body.clone(),
                    });
                    kept.push_back(message);
                }
            }
            state.messages = kept;
            received
        })
    }
}

impl Queue for MemoryQueue {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let publish = || {
            self.with(|state| {
                let push = |body: String| Ok(MessageId(state.push(body.into()).to_string()));
                bodies.into_iter().map(push).collect()
            })
        };
        self.effects.around(publish).await
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let until = Instant::now() + RECEIVE_WAIT;
        loop {
            let received = self.effects.around(|| self.take_visible(max)).await;
            if !received.is_empty() || Instant::now() >= until {
                return Ok(received);
            }
            sleep(POLL).await;
        }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        let receipt = parse(receipt, "acknowledge")?;
        let remove = || {
            // A stale receipt, of an earlier delivery, removes nothing.
            self.with(|state| state.messages.retain(|message| message.receipt != receipt));
        };
        self.effects.around(remove).await;
        Ok(())
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        let receipt = parse(receipt, "release")?;
        let show = || {
            self.with(|state| {
                let mut messages = state.messages.iter_mut();
                if let Some(message) = messages.find(|message| message.receipt == receipt) {
                    message.visible_at = None;
                }
            });
        };
        self.effects.around(show).await;
        Ok(())
    }
}

fn parse(receipt: &Receipt, operation: &'static str) -> Result<u64, PortError> {
    receipt
        .0
        .parse()
        .map_err(|error| PortError::new("memory queue", operation, Fault::Refused, &error))
}
