//! Publishes from the spool into one target's queue.

use std::future::Future;
use std::pin::pin;

use pipeline::health::Outcome;
use pipeline::ports::{Fault, MessageId, PortError, Queue};
use tokio::time::{Instant, timeout_at};

use super::Relay;
use crate::events::Event;
use crate::spool::{Cursor, Record, SpoolError};

/// The state of a publisher.
#[derive(Default)]
struct PublisherState {
    cursor: Cursor,
    generation: u64,
    /// Messages to publish, for the first time or again.
    chunk: Vec<Record>,
    /// The time of the next probe.
    probe_at: Option<Instant>,
}

/// Result of publishing messages.
struct Sent {
    /// Messages to send again.
    again: Vec<Record>,
    /// True if all were refused, and it is unclear if the messages or the target is at fault.
    is_doubtful: bool,
}

/// A publisher's next step.
enum Step {
    /// Publish the chunk.
    Publish,
    /// Publish this message as a probe.
    Probe(Record),
    Wait,
    Stop,
}

impl<Q: Queue> Relay<Q> {
    /// Publishes the messages that the route assigns to a target, until all is done.
    pub(super) async fn publish(&self, target: usize) -> Result<(), SpoolError> {
        let backoff = self.backoff(target);
        let mut changed = self.changed.subscribe();
        let mut publisher = PublisherState::default();
        let mut failures: u32 = 0;
        loop {
            changed.mark_unchanged();
            let is_good = match self.step(target, &mut publisher)? {
                Step::Stop => return Ok(()),
                Step::Wait => {
                    // Wakes up at a probe's time too; the relay can't be dropped meanwhile.
                    let until =
                        publisher.probe_at.unwrap_or_else(|| Instant::now() + self.config.probe);
                    let _ = timeout_at(until, changed.changed()).await;
                    continue;
                }
                Step::Publish => {
                    let chunk = std::mem::take(&mut publisher.chunk);
                    publisher.chunk = self.send_in_doubt(target, chunk).await;
                    publisher.chunk.is_empty()
                }
                Step::Probe(record) => {
                    publisher.probe_at = Some(Instant::now() + self.config.probe);
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

    fn step(&self, target: usize, publisher: &mut PublisherState) -> Result<Step, SpoolError> {
        let now_ms = self.now_ms();
        let name = &self.config.router.targets[target].name;
        let mut state = self.state();
        if state.done {
            return Ok(Step::Stop);
        }
        if publisher.generation != state.generation {
            *publisher = PublisherState {
                generation: state.generation,
                probe_at: publisher.probe_at,
                ..PublisherState::default()
            };
        }
        // The route follows the latest override; this checks that no later one can have been missed.
        if state.check(state.epoch(), now_ms).is_err() {
            publisher.probe_at = None;
            return Ok(Step::Wait);
        }
        state.next(&self.config, target, &mut publisher.cursor, &mut publisher.chunk)?;
        if !publisher.chunk.is_empty() {
            return Ok(Step::Publish);
        }
        let all = (state.generation, state.spool.next_sequence());
        state.idle[target] = Some(all);
        if state.has_traffic(name) {
            publisher.probe_at = None;
            return Ok(Step::Wait);
        }
        let is_due = publisher.probe_at.is_none_or(|at| at <= Instant::now());
        if is_due && let Some(probe) = state.probe() {
            return Ok(Step::Probe(probe));
        }
        if is_due {
            publisher.probe_at = None;
        }
        Ok(Step::Wait)
    }

    /// Publishes messages; returns those that must be sent again.
    ///
    /// A message that is refused while others are accepted is parked: it is tried again by itself, ever less often,
    /// and holds no other up. If all are refused, a message that the target has accepted before is sent along once
    /// more: if that is refused as well, the target is at fault, not the messages.
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

    /// Publishes messages and records the results.
    async fn send(&self, target: usize, records: Vec<Record>) -> Sent {
        let bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
        let incarnations = self.state().incarnations[target];
        let started = Instant::now();
        let answers = self.wait(target, self.queues[target].publish(bodies)).await;
        let latency = started.elapsed();
        let now_ms = self.now_ms();
        let name = &self.config.router.targets[target].name;
        let (mut outcome, mut good) = (None, None);
        let (mut again, mut refused) = (Vec::new(), Vec::new());
        let mut answers = answers.map(Vec::into_iter);
        let mut state = self.state();
        let may_doubt = match &state.good[target] {
            Some(good) => records.iter().all(|record| record.sequence != good.sequence),
            None => false,
        };
        for record in records {
            let sequence = record.sequence;
            // Messages without an answer count as unknown.
            match answers.as_mut().and_then(Iterator::next) {
                // The incarnation id changed meanwhile: the acknowledgement may be of the lost cloud.
                Some(Ok(_)) if state.incarnations[target] != incarnations => {
                    outcome = outcome.max(Some(Outcome::Success));
                    again.push(record);
                }
                Some(Ok(MessageId(_))) => {
                    let is_first = !state.spool.was_accepted(sequence);
                    state.accept(target, name, sequence);
                    let target = name.clone();
                    (self.on_event)(Event::Accepted { target, sequence, is_first });
                    outcome = outcome.max(Some(Outcome::Success));
                    good = Some(record);
                }
                Some(Err(error)) if !error.fault.may_pass() => {
                    self.emit_refused(name, sequence, &error);
                    refused.push(record);
                }
                answer => {
                    let found = self.emit_failure(name, sequence, answer);
                    outcome = outcome.max(Some(found));
                    again.push(record);
                }
            }
        }
        let is_known = refused.iter().all(|record| state.is_parked(target, record.sequence));
        let is_doubtful = outcome.is_none() && !is_known && may_doubt;
        if good.is_some() || is_known {
            for record in &refused {
                state.park(target, record.sequence);
            }
        } else {
            outcome = outcome.or((!is_doubtful).then_some(Outcome::Refused));
            again.append(&mut refused);
        }
        state.good[target] = good.or(state.good[target].take());
        if outcome == Some(Outcome::Success) {
            state.record_latency(target, latency);
        }
        if let Some(outcome) = outcome {
            state.record_outcome(&self.config, target, outcome, now_ms, &self.on_event);
        }
        drop(state);
        self.changed.send_replace(());
        Sent { again, is_doubtful }
    }

    /// The answers; `None` if none came in time. Slow answers count as bad outcomes while they are awaited.
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
                    self.state().record_slow(&self.config, target, now_ms, &self.on_event);
                    self.changed.send_replace(());
                }
            }
        }
    }

    fn emit_refused(&self, target: &str, sequence: u64, error: &PortError) {
        let (target, why) = (target.to_owned(), error.to_string());
        (self.on_event)(Event::Refused { target, sequence, why });
    }

    fn emit_unknown(&self, target: &str, sequence: u64, why: String) -> Outcome {
        (self.on_event)(Event::Unknown { target: target.to_owned(), sequence, why });
        Outcome::Unknown
    }

    fn emit_failure(
        &self,
        target: &str,
        sequence: u64,
        answer: Option<Result<MessageId, PortError>>,
    ) -> Outcome {
        match answer {
            Some(Err(error)) if error.fault == Fault::Unreachable => {
                self.emit_refused(target, sequence, &error);
                Outcome::Refused
            }
            Some(Err(error)) => self.emit_unknown(target, sequence, error.to_string()),
            _ => {
                let deadline = self.config.publish_deadline;
                self.emit_unknown(target, sequence, format!("no answer within {deadline:?}"))
            }
        }
    }
}
