//! From the spool into one target's queue.

use pipeline::health::Evidence;
use pipeline::ports::{Fault, MessageId, PortError, Queue};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Event, Relay};
use crate::spool::{Cursor, Record, SpoolError};

/// What a publisher has in hand.
#[derive(Default)]
struct Hand {
    cursor: Cursor,
    generation: u64,
    /// To be published, or to be published again.
    chunk: Vec<Record>,
    /// When the next canary is due.
    canary_at: Option<Instant>,
}

/// What to do next.
enum Step {
    /// Publish what is in hand.
    Publish,
    /// Publish this, to see whether anybody is there.
    Canary(Record),
    Wait,
    Stop,
}

impl<Q: Queue> Relay<Q> {
    /// Publishes what the route assigns to a target, until all is done.
    pub(super) async fn publish(&self, target: usize) -> Result<(), SpoolError> {
        let backoff = self.backoff(target);
        let mut changed = self.changed.subscribe();
        let mut hand = Hand::default();
        let mut failures: u32 = 0;
        loop {
            changed.mark_unchanged();
            let is_good = match self.step(target, &mut hand)? {
                Step::Stop => return Ok(()),
                Step::Wait => {
                    // Wakes up at a canary's time too; that the relay is gone is not possible here.
                    let until =
                        hand.canary_at.unwrap_or_else(|| Instant::now() + self.config.canary);
                    let _ = timeout_at(until, changed.changed()).await;
                    continue;
                }
                Step::Publish => {
                    let chunk = std::mem::take(&mut hand.chunk);
                    hand.chunk = self.send(target, chunk).await;
                    hand.chunk.is_empty()
                }
                Step::Canary(record) => {
                    hand.canary_at = Some(Instant::now() + self.config.canary);
                    self.send(target, vec![record]).await;
                    continue;
                }
            };
            if is_good {
                failures = 0;
            } else {
                backoff.wait(failures).await;
                failures = failures.saturating_add(1);
            }
        }
    }

    fn step(&self, target: usize, hand: &mut Hand) -> Result<Step, SpoolError> {
        let now_ms = self.now_ms();
        let name = &self.config.router.targets[target].name;
        let mut state = self.state();
        if state.done {
            return Ok(Step::Stop);
        }
        if hand.generation != state.generation {
            *hand =
                Hand { generation: state.generation, canary_at: hand.canary_at, ..Hand::default() };
        }
        // The route is of the latest order: what is in question here is whether there may be a later one.
        if state.check(state.epoch(), now_ms).is_err() {
            hand.canary_at = None;
            return Ok(Step::Wait);
        }
        state.next(&self.config, name, &mut hand.cursor, &mut hand.chunk)?;
        if !hand.chunk.is_empty() {
            return Ok(Step::Publish);
        }
        let all = (state.generation, state.spool.next_sequence());
        state.idle[target] = Some(all);
        let has_traffic = state.route.publish.iter().any(|(publish, _)| publish == name);
        if has_traffic {
            hand.canary_at = None;
            return Ok(Step::Wait);
        }
        let is_due = hand.canary_at.is_none_or(|at| at <= Instant::now());
        Ok(match &state.latest {
            Some(latest) if is_due => Step::Canary(latest.clone()),
            _ => {
                if is_due {
                    hand.canary_at = None;
                }
                Step::Wait
            }
        })
    }

    /// Publishes messages and takes down what became of them; those that must be sent again come back.
    async fn send(&self, target: usize, records: Vec<Record>) -> Vec<Record> {
        let bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
        let started = Instant::now();
        let published = self.queues[target].publish(bodies);
        let answers = timeout(self.config.publish_deadline, published).await;
        let latency = started.elapsed();
        let now_ms = self.now_ms();
        let name = &self.config.router.targets[target].name;
        let mut worst = Evidence::Success;
        let mut again = Vec::new();
        let mut answers = answers.map(Vec::into_iter).ok();
        let mut state = self.state();
        for record in records {
            // A queue that answers for fewer than it was given leaves the rest unknown.
            match answers.as_mut().and_then(Iterator::next) {
                Some(Ok(MessageId(_))) => {
                    let is_first = !state.spool.is_accepted(record.sequence);
                    state.spool.acknowledge(name, record.sequence);
                    let sequence = record.sequence;
                    (self.tell)(Event::Accepted { target: name, sequence, is_first });
                }
                answer => {
                    worst = worst.max(self.tell_failure(name, record.sequence, answer));
                    again.push(record);
                }
            }
        }
        if worst == Evidence::Success {
            state.measure(target, latency);
        }
        state.learn(&self.config, target, worst, now_ms, &self.tell);
        drop(state);
        self.changed.send_replace(());
        again
    }

    fn tell_failure(
        &self,
        target: &str,
        sequence: u64,
        answer: Option<Result<MessageId, PortError>>,
    ) -> Evidence {
        match answer {
            Some(Err(error)) if error.fault != Fault::Unknown => {
                let why = &error.to_string();
                (self.tell)(Event::Refused { target, sequence, why });
                Evidence::Refused
            }
            Some(Err(error)) => {
                let why = &error.to_string();
                (self.tell)(Event::Unknown { target, sequence, why });
                Evidence::Unknown
            }
            _ => {
                let why = &format!("no answer within {:?}", self.config.publish_deadline);
                (self.tell)(Event::Unknown { target, sequence, why });
                Evidence::Unknown
            }
        }
    }
}
