use std::fmt::Debug;

use futures::future::join_all;
use pipeline::ports::Cursor;
use pipeline::route::overrides::{OverrideStore, RoutingOverride};

/// Checks an override store against its contract. Nothing may have been written to it yet.
///
/// # Panics
/// With the observed result, if the store breaks the contract.
pub async fn register<R: OverrideStore>(register: &R) {
    compares_before_it_sets(register).await;
    lets_one_of_many_write(register).await;
}

/// Checks the handling of incarnation ids by a cursor and an override store of one cloud that has none yet.
///
/// # Panics
/// With the observed result, if they break the contract.
pub async fn incarnation<C: Cursor, R: OverrideStore>(cursor: &C, register: &R) {
    assert_eq!(ok(register.incarnation().await), None, "nobody has left one");
    for mark in ["1-a", "2-b"] {
        ok(cursor.ensure_incarnation(mark).await);
        assert_eq!(ok(register.incarnation().await).as_deref(), Some("1-a"), "the first one stays");
    }
}

async fn compares_before_it_sets<R: OverrideStore>(register: &R) {
    let (first, second) = (order(1, Some("gcp"), "größe <&> 円"), order(u64::MAX, None, ""));
    assert_eq!(ok(register.read().await), None, "a register that was never written");
    assert!(!ok(register.replace(Some(&first), &second).await), "what is expected is not there");
    assert!(ok(register.replace(None, &first).await));
    assert_eq!(ok(register.read().await).as_ref(), Some(&first), "every field comes back");
    assert!(!ok(register.replace(None, &second).await), "an order is there already");
    // An override that differs in a single field is another one.
    for other in [
        RoutingOverride { epoch: 2, ..first.clone() },
        RoutingOverride { to: None, ..first.clone() },
        RoutingOverride { to: Some("aws".to_owned()), ..first.clone() },
        RoutingOverride { by: "me".to_owned(), ..first.clone() },
        RoutingOverride { at_ms: 8, ..first.clone() },
    ] {
        assert!(!ok(register.replace(Some(&other), &second).await), "{other:?} is not there");
    }
    assert_eq!(ok(register.read().await).as_ref(), Some(&first), "nothing was written");
    assert!(ok(register.replace(Some(&first), &second).await));
    assert_eq!(ok(register.read().await).as_ref(), Some(&second));
    assert!(!ok(register.replace(Some(&first), &second).await), "it is another one by now");
    assert!(
        ok(register.replace(Some(&second), &first).await),
        "the register compares, and no more"
    );
}

async fn lets_one_of_many_write<R: OverrideStore>(register: &R) {
    let before = ok(register.read().await);
    let orders: Vec<_> = (0..8).map(|n| order(n, Some("aws"), "somebody")).collect();
    let written = orders.iter().map(|order| register.replace(before.as_ref(), order));
    let written = join_all(written).await.into_iter().map(ok).filter(|written| *written).count();
    assert_eq!(written, 1, "of 8 concurrent orders exactly one is written");
    assert!(
        orders.contains(&ok(register.read().await).expect("an order")),
        "and it is there, whole"
    );
}

fn order(epoch: u64, to: Option<&str>, by: &str) -> RoutingOverride {
    RoutingOverride { epoch, to: to.map(str::to_owned), by: by.to_owned(), at_ms: 7 }
}

#[track_caller]
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the register failed: {error:?}"))
}
