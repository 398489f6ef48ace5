//! Denials that end, and other failures, on a paused clock.

use std::sync::Mutex;

use candle::Candle;
use pipeline::ports::{MessageId, Receipt, Received, Stored};

use super::*;

/// A queue and a candle store that fail until a time has passed.
struct Cloud {
    begun: Instant,
    publish: (Duration, PortError),
    load: (Duration, PortError),
    /// The delay from a successful publish until the trade is in its candle.
    fold: Duration,
    published: Mutex<Option<Instant>>,
}

impl Cloud {
    fn fails(&self, (after, error): &(Duration, PortError)) -> Result<(), PortError> {
        if self.begun.elapsed() < *after { Err(error.clone()) } else { Ok(()) }
    }
}

impl Queue for Cloud {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let published = self.fails(&self.publish).map(|()| {
            *self.published.lock().expect("a lock") = Some(Instant::now());
            MessageId("m".to_owned())
        });
        bodies.iter().map(|_| published.clone()).collect()
    }

    async fn receive(&self, _max: usize) -> Result<Vec<Received>, PortError> {
        Ok(Vec::new())
    }

    async fn acknowledge(&self, _receipt: &Receipt) -> Result<(), PortError> {
        Ok(())
    }

    async fn release(&self, _receipt: &Receipt) -> Result<(), PortError> {
        Ok(())
    }
}

impl CandleStore for Cloud {
    type Version = ();

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, ())>, PortError> {
        self.fails(&self.load)?;
        let published = *self.published.lock().expect("a lock");
        let folded = published.is_some_and(|published| published.elapsed() >= self.fold);
        let trade = Trade {
            id: NOW_MS,
            time_ms: NOW_MS,
            price: Price::ONE,
            quantity: Quantity::ONE,
            buyer_is_maker: false,
        };
        Ok(folded.then(|| (Candle::new(key.clone(), &trade).expect("its candle"), ())))
    }

    async fn store(&self, _candle: &Candle, _expected: Option<&()>) -> Result<Stored, PortError> {
        Ok(Stored::Conflict)
    }

    async fn scan(&self, _: &Symbol, _: Interval) -> Result<Vec<Candle>, PortError> {
        Ok(Vec::new())
    }
}

const NOW_MS: u64 = 1_723_075_200_000;
const LIMITS: Limits = Limits { seen: Duration::from_mins(2), spread: SPREAD_GCP, granted: false };

fn error(fault: Fault, detail: &str) -> PortError {
    PortError { service: "s", operation: "o", fault, detail: detail.to_owned() }
}

fn denied() -> PortError {
    error(Fault::Refused, "the service reports an error with code PERMISSION_DENIED")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns the result, its duration in seconds, and the notes.
async fn tested(
    limits: Limits,
    publish: (u64, PortError),
    load: (u64, PortError),
    fold: u64,
) -> (Result<Passed, Error>, u64, Vec<String>) {
    let begun = Instant::now();
    let cloud = Cloud {
        begun,
        publish: (secs(publish.0), publish.1),
        load: (secs(load.0), load.1),
        fold: secs(fold),
        published: Mutex::default(),
    };
    let mut notes = Vec::new();
    let symbol = Symbol::parse("SMOKE").expect("a symbol");
    let mut note = |text| notes.push(text);
    let done = test(limits, &cloud, &cloud, &symbol, Interval::M1, NOW_MS, &mut note).await;
    (done, begun.elapsed().as_secs(), notes)
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_waited_for_until_the_grant_is_effective() {
    let (passed, took, notes) = tested(LIMITS, (420, denied()), (430, denied()), 5).await;
    let passed = passed.expect("it is effective after seven minutes");
    assert!(passed.took_ms < 30_000, "the wait for the grant is no part of it: {passed:?}");
    assert!((420..470).contains(&took), "{took}");
    assert_eq!(notes.len(), 1, "said once: {notes:?}");
    for part in ["publish a trade", "PERMISSION_DENIED", "not be effective yet", "600 s"] {
        assert!(notes[0].contains(part), "{notes:?}");
    }

    // Only reads are denied, for longer than the limit of a trade.
    let (passed, _, notes) = tested(LIMITS, (0, denied()), (300, denied()), 5).await;
    passed.expect("the candle is read after five minutes");
    assert!(notes[0].contains("read the candle"), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_does_not_end_is_given_up_at_the_bound() {
    let (failed, took, _) = tested(LIMITS, (9_999, denied()), (0, denied()), 5).await;
    assert!(matches!(failed, Err(Error::NotPublished(_))), "{failed:?}");
    assert_eq!(took, SPREAD_GCP.as_secs());
    let (failed, took, _) = tested(LIMITS, (0, denied()), (9_999, denied()), 5).await;
    assert!(matches!(failed, Err(Error::NotReadable(_))), "{failed:?}");
    assert_eq!(took, SPREAD_GCP.as_secs());
    // Grants on emulators are effective at once, so nothing is retried.
    let none = Limits { spread: Duration::ZERO, ..LIMITS };
    let (failed, took, notes) = tested(none, (9, denied()), (0, denied()), 5).await;
    assert!(matches!(failed, Err(Error::NotPublished(_))), "{failed:?}");
    assert_eq!((took, notes), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn another_failure_ends_it_at_once() {
    for other in [
        error(Fault::Refused, "the service reports an error with code NOT_FOUND"),
        error(Fault::Unknown, "timeout; PERMISSION_DENIED"),
    ] {
        let (failed, took, notes) = tested(LIMITS, (9, other.clone()), (0, denied()), 5).await;
        assert!(matches!(failed, Err(Error::NotPublished(_))), "{failed:?}");
        assert_eq!((took, notes), (0, Vec::new()));
        let (failed, took, _) = tested(LIMITS, (0, denied()), (9, other), 5).await;
        assert!(matches!(failed, Err(Error::NotReadable(_))), "{failed:?}");
        assert_eq!(took, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trade_may_take_longer_after_a_deploy_that_gave_rights() {
    let granted = Limits { granted: true, ..LIMITS };
    let (passed, _, notes) = tested(granted, (0, denied()), (0, denied()), 430).await;
    passed.expect("Pub/Sub may call the service after seven minutes");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("no candle after 120 s; this deploy gave rights"), "{notes:?}");
    assert!(notes[0].contains("waiting for 480 s more"), "{notes:?}");

    let (failed, took, _) = tested(granted, (0, denied()), (0, denied()), 9_999).await;
    assert!(matches!(failed, Err(Error::NotSeen { .. })), "{failed:?}");
    assert_eq!(took, SPREAD_GCP.as_secs());
    let (failed, took, notes) = tested(LIMITS, (0, denied()), (0, denied()), 430).await;
    assert!(matches!(failed, Err(Error::NotSeen { .. })), "{failed:?}");
    assert_eq!((took, notes), (120, Vec::new()));
}

#[test]
fn denials_of_both_clouds_are_known() {
    for detail in [
        "service error: unhandled error (AccessDeniedException): User: u is not authorized to perform: sqs:sendmessage",
        "unhandled error: unhandled error: KmsAccessDenied",
        "the service reports an error with code PERMISSION_DENIED described as: User not authorized to perform this action.",
        "Error code: PermissionDenied. code: 'The caller does not have permission to execute the specified operation', message: \"Missing or insufficient permissions.\"",
    ] {
        assert!(is_denied(&error(Fault::Refused, detail)), "{detail}");
    }
}
