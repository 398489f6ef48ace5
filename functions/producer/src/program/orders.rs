//! Orders by hand, looked for in every cloud.

use std::time::Duration;

use futures::future::join_all;
use pipeline::ports::{PortError, Queue};
use pipeline::route::epoch::{Order, Register};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Relay;

/// How long the first look at both registers may hold up the start: an order that is there is followed from the
/// first message on, where a cloud answers.
const FIRST: Duration = Duration::from_secs(1);

/// Reads each register every so often, for as long as this is polled; each by itself, so that one that hangs does not
/// keep the other's answers away. One that can be read is enough for the lease.
pub(super) async fn follow<Q: Queue, R: Register>(
    relay: &Relay<Q>,
    registers: &[(String, R)],
    every: Duration,
    patience: Duration,
) {
    let each = registers.iter().map(|(name, register)| async move {
        let mut was_bad = false;
        loop {
            let asked_at = Instant::now();
            let is_bad = match timeout(patience, register.read()).await {
                Ok(Ok(found)) => {
                    relay.observe(found, asked_at);
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {patience:?}")),
            };
            match &is_bad {
                Some(why) if !was_bad => say(&format!("orders can't be read in {name}: {why}")),
                None if was_bad => say(&format!("orders can be read in {name} again")),
                _ => {}
            }
            was_bad = is_bad.is_some();
            sleep_until(asked_at + every).await;
        }
    });
    join_all(each).await;
}

/// The first look, before anything is published.
pub(super) async fn first_look<Q: Queue, R: Register>(relay: &Relay<Q>, registers: &[(String, R)]) {
    let each = registers.iter().map(|(_, register)| async {
        let asked_at = Instant::now();
        let found: Result<Result<Option<Order>, PortError>, _> =
            timeout(FIRST, register.read()).await;
        if let Ok(Ok(found)) = found {
            relay.observe(found, asked_at);
        }
    });
    join_all(each).await;
}

fn say(what: &str) {
    eprintln!("producer: {what}");
}
