//! From the spool into one target's queue.

use std::future::Future;
use std::pin::pin;

use pipeline::health::Evidence;
use pipeline::ports::{Fault, MessageId, PortError, Queue};
use tokio::time::{Instant, timeout_at};

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

/// What became of messages.
struct Sent {
    /// To be sent again.
    again: Vec<Record>,
    /// All were refused, and it is open whether it is for the messages or for the target.
    is_doubtful: bool,
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
                    hand.chunk = self.send_in_doubt(target, chunk).await;
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
        state.next(&self.config, target, &mut hand.cursor, &mut hand.chunk)?;
        if !hand.chunk.is_empty() {
            return Ok(Step::Publish);
        }
        let all = (state.generation, state.spool.next_sequence());
        state.idle[target] = Some(all);
        if state.has_traffic(name) {
            hand.canary_at = None;
            return Ok(Step::Wait);
        }
        let is_due = hand.canary_at.is_none_or(|at| at <= Instant::now());
        if is_due && let Some(canary) = state.canary() {
            return Ok(Step::Canary(canary));
        }
        if is_due {
            hand.canary_at = None;
        }
        Ok(Step::Wait)
    }

    /// Publishes messages; those that must be sent again come back.
    ///
    /// A message that is refused while others are taken is put aside: it is tried again by itself, ever more seldom, and
    /// holds nothing up. If all are refused, one that was taken before goes with them once more: if that is refused as
    /// well, it says something of the target, and not of the messages.
    async fn send_in_doubt(&self, target: usize, records: Vec<Record>) -> Vec<Record> {
        let Sent { mut again, is_doubtful } = self.send(target, records).await;
        if is_doubtful {
            again.extend(self.state().good[target].clone());
            again = self.send(target, again).await.again;
            let name = &self.config.router.targets[target].name;
            let state = self.state();
            again.retain(|record| !state.spool.is_acknowledged(name, record.sequence));
        }
        again
    }

    /// Publishes messages and takes down what became of them.
    async fn send(&self, target: usize, records: Vec<Record>) -> Sent {
        let bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
        let births = self.state().births[target];
        let started = Instant::now();
        let answers = self.wait(target, self.queues[target].publish(bodies)).await;
        let latency = started.elapsed();
        let now_ms = self.now_ms();
        let name = &self.config.router.targets[target].name;
        let (mut evidence, mut good) = (None, None);
        let (mut again, mut refused) = (Vec::new(), Vec::new());
        let mut answers = answers.map(Vec::into_iter);
        let mut state = self.state();
        let may_doubt = match &state.good[target] {
            Some(good) => records.iter().all(|record| record.sequence != good.sequence),
            None => false,
        };
        for record in records {
            let sequence = record.sequence;
            // A queue that answers for fewer than it was given leaves the rest unknown.
            match answers.as_mut().and_then(Iterator::next) {
                // Meanwhile the cloud was seen to be another one, and this may be the word of the one before.
                Some(Ok(_)) if state.births[target] != births => {
                    evidence = evidence.max(Some(Evidence::Success));
                    again.push(record);
                }
                Some(Ok(MessageId(_))) => {
                    let is_first = !state.spool.was_accepted(sequence);
                    state.accept(target, name, sequence);
                    (self.tell)(Event::Accepted { target: name, sequence, is_first });
                    evidence = evidence.max(Some(Evidence::Success));
                    good = Some(record);
                }
                Some(Err(error)) if !error.fault.may_pass() => {
                    self.tell_refused(name, sequence, &error);
                    refused.push(record);
                }
                answer => {
                    let found = self.tell_failure(name, sequence, answer);
                    evidence = evidence.max(Some(found));
                    again.push(record);
                }
            }
        }
        let is_known = refused.iter().all(|record| state.is_aside(target, record.sequence));
        let is_doubtful = evidence.is_none() && !is_known && may_doubt;
        if good.is_some() || is_known {
            for record in &refused {
                state.put_aside(target, record.sequence);
            }
        } else {
            evidence = evidence.or((!is_doubtful).then_some(Evidence::Refused));
            again.append(&mut refused);
        }
        state.good[target] = good.or(state.good[target].take());
        if evidence == Some(Evidence::Success) {
            state.measure(target, latency);
        }
        if let Some(evidence) = evidence {
            state.learn(&self.config, target, evidence, now_ms, &self.tell);
        }
        drop(state);
        self.changed.send_replace(());
        Sent { again, is_doubtful }
    }

    /// The answers; `None`: there are none in time. That they take long is evidence before they are there.
    async fn wait<T>(&self, target: usize, answers: impl Future<Output = T>) -> Option<T> {
        let mut answers = pin!(answers);
        let deadline = Instant::now() + self.config.publish_deadline;
        loop {
            let until = deadline.min(Instant::now() + self.config.publish_slow);
            match timeout_at(until, &mut answers).await {
                Ok(answers) => return Some(answers),
                Err(_) if until == deadline => return None,
                Err(_) => {
                    let now_ms = self.now_ms();
                    self.state().learn_slow(&self.config, target, now_ms, &self.tell);
                    self.changed.send_replace(());
                }
            }
        }
    }

    fn tell_refused(&self, target: &str, sequence: u64, error: &PortError) {
        (self.tell)(Event::Refused { target, sequence, why: &error.to_string() });
    }

    fn tell_failure(
        &self,
        target: &str,
        sequence: u64,
        answer: Option<Result<MessageId, PortError>>,
    ) -> Evidence {
        match answer {
            Some(Err(error)) if error.fault == Fault::Unreachable => {
                self.tell_refused(target, sequence, &error);
                Evidence::Refused
            }
            Some(Err(error)) => {
                (self.tell)(Event::Unknown { target, sequence, why: &error.to_string() });
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
