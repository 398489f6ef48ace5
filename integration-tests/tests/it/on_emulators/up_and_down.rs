//! Local clouds that stay.

use crate::command::Checkout;
use crate::interrupted::assert_nothing_left;

#[tokio::test]
async fn up_stays_until_down_and_both_can_be_said_twice() {
    let checkout = Checkout::new();
    let up = checkout.run(&["up", "--json"]);
    up.assert_code(0);
    let state: serde_json::Value = serde_json::from_str(&up.stdout).expect("JSON");
    let again = checkout.run(&["up", "--json"]);
    again.assert_code(0);
    assert_eq!(again.stdout, up.stdout, "the clouds are the same");

    let endpoint = state["endpoints"]["AWS_ENDPOINT_URL"].as_str().expect("an endpoint");
    let health = reqwest::get(format!("{endpoint}/_ministack/health")).await.expect("it answers");
    assert!(health.status().is_success());

    checkout.run(&["down"]).assert_code(0);
    assert!(reqwest::get(endpoint).await.is_err(), "nobody answers any more");
    checkout.run(&["down"]).assert_code(0);
    assert_nothing_left(&checkout);
}
