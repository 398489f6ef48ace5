//! Local clouds that stay.

use deploy::google::Run;
use deploy::local::LocalClouds;
use deploy::local::run::Service;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::google::settings;
use crate::command::Checkout;
use crate::interrupted::{assert_nothing_left, processes_in};

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
    let clouds = LocalClouds::find(checkout.dir.path()).expect("whoever deploys finds them");
    assert_eq!(clouds.aws_endpoint, endpoint);
    assert_eq!(state["endpoints"]["TWINCLOUD_LOCAL_RUN"], clouds.run_endpoint);

    checkout.run(&["down"]).assert_code(0);
    assert!(reqwest::get(endpoint).await.is_err(), "nobody answers any more");
    checkout.run(&["down"]).assert_code(0);
    assert_nothing_left(&checkout);
    LocalClouds::find(checkout.dir.path()).expect_err("they are gone");
}

#[tokio::test]
async fn a_killed_holder_takes_emulators_and_services_along() {
    let checkout = Checkout::new();
    checkout.run(&["up"]).assert_code(0);
    let clouds = LocalClouds::find(checkout.dir.path()).expect("they run");
    let run = Run::new(&clouds.run_endpoint).expect("a client");
    let mut env = settings(&[]).gcp_function_env();
    env.extend(clouds.google().variables());
    let service = Service {
        binary: super::google::service_binary(),
        env,
        concurrency: 1,
        labels: std::collections::BTreeMap::new(),
    };
    run.put_service("trades", &service).await.expect("it starts");
    let there = processes_in(checkout.dir.path());
    assert!(there.iter().any(|process| process.contains("trades-r1")), "{there:?}");

    kill(Pid::from_raw(clouds.pid.cast_signed()), Signal::SIGKILL).expect("kill");
    assert_nothing_left(&checkout);
    LocalClouds::find(checkout.dir.path()).expect_err("they are gone");
    checkout.run(&["down"]).assert_code(0);
}
