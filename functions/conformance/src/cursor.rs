use std::fmt::Debug;

use pipeline::ports::Cursor;

/// Checks a cursor against its contract. Nothing may have been saved in it yet.
///
/// # Panics
/// With the observed result, if the cursor breaks the contract.
pub async fn cursor<C: Cursor>(cursor: &C) {
    assert_eq!(ok(cursor.load().await), None, "a cursor that was never saved");
    for text in ["trades/v1/BTCUSDT/2024-08-08T23/", "", "trades/v1/ETHUSDT/2024-08-09T00/"] {
        ok(cursor.save(text).await);
        assert_eq!(ok(cursor.load().await).as_deref(), Some(text), "the last text that was saved");
    }
}

#[track_caller]
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the cursor failed: {error:?}"))
}
