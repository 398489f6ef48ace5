//! Routing overrides and incarnation ids, looked for in every cloud.

use std::time::Duration;

use futures::future::{join, join_all};
use pipeline::ports::{PortError, Queue};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};
use tokio::time::{Instant, sleep_until, timeout};

use producer::Relay;

#[cfg(test)]
mod tests;

/// Longest delay of the start by the first reading of both override stores: a stored override is followed from the
/// first message on, where a cloud answers.
const FIRST: Duration = Duration::from_secs(1);

/// Reads each register every so often, for as long as this is polled; each by itself, so that one that hangs does not
/// keep the other's answers away. One that can be read is enough for the lease. Says once when one can't be read, and
/// once when it can be again.
pub(super) async fn follow<Q: Queue, R: OverrideStore>(
    relay: &Relay<Q>,
    registers: &[(String, R)],
    every: Duration,
    patience: Duration,
    say: impl Fn(&str),
) {
    let say = &say;
    let each = registers.iter().map(|(name, register)| async move {
        let mut was_bad = false;
        loop {
            let asked_at = Instant::now();
            let is_bad = match timeout(patience, look(register)).await {
                Ok(Ok((found, mark))) => {
                    relay.observe(found, asked_at);
                    let mark = mark.map(|mark| relay.observe_incarnation(name, mark.as_deref()));
                    mark.err().map(|error| format!("the incarnation id can't be read: {error}"))
                }
                Ok(Err(error)) => Some(format!("overrides can't be read: {error}")),
                Err(_) => Some(format!("overrides can't be read: no answer within {patience:?}")),
            };
            match &is_bad {
                Some(why) if !was_bad => say(&format!("{name}: {why}")),
                None if was_bad => {
                    say(&format!("{name}: overrides and incarnation id can be read again"));
                }
                _ => {}
            }
            was_bad = is_bad.is_some();
            sleep_until(asked_at + every).await;
        }
    });
    join_all(each).await;
}

/// The first look, before anything is published.
pub(super) async fn first_look<Q: Queue, R: OverrideStore>(
    relay: &Relay<Q>,
    registers: &[(String, R)],
) {
    let each = registers.iter().map(|(name, register)| async move {
        let asked_at = Instant::now();
        if let Ok(Ok((found, mark))) = timeout(FIRST, look(register)).await {
            relay.observe(found, asked_at);
            if let Ok(mark) = mark {
                relay.observe_incarnation(name, mark.as_deref());
            }
        }
    });
    join_all(each).await;
}

/// Reads an override store. Overrides are followed also where the incarnation id can't be read.
async fn look<R: OverrideStore>(
    register: &R,
) -> Result<(Option<RoutingOverride>, Result<Option<String>, PortError>), PortError> {
    let (found, mark) = join(register.read(), register.incarnation()).await;
    Ok((found?, mark))
}

/// Tells a person, on standard error.
pub(super) fn say(what: &str) {
    eprintln!("producer: {what}");
}
