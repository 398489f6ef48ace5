//! An apply or a destroy that is given up in the middle.

use deploy::google::{self, Plan};
use infra::Settings;

use super::{Google, settings};

/// Gives an apply up when it begins with the step of this number.
async fn interrupted_apply(google: &Google, plan: &Plan, settings: &Settings, step: usize) {
    let (begun, reached) = tokio::sync::oneshot::channel();
    let (mut begun, mut seen) = (Some(begun), 0);
    let mut on_step = |told: &google::Step| {
        if told.took.is_none() {
            if seen == step {
                let _ = begun.take().map(|begun| begun.send(()));
            }
            seen += 1;
        }
    };
    let desired = google.desired(settings);
    let apply = Box::pin(google::apply(plan, &desired, &google.endpoints, &mut on_step));
    tokio::select! {
        biased;
        _ = reached => {}
        applied = apply => panic!("it was to be interrupted: {applied:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_was_given_up_anywhere_is_resumed_by_the_next() {
    let google = Google::start().await;
    let settings = settings(&[]);
    let steps = google.plan(&settings).await.changes.len();
    for step in 0..steps {
        let plan = google.plan(&settings).await;
        interrupted_apply(&google, &plan, &settings, step).await;
        let rest = google.plan(&settings).await;
        assert!(!rest.is_empty() && rest.changes.len() <= steps - step, "{step}: {rest}");
        google.apply(&settings).await;
        let rest = google.plan(&settings).await;
        assert!(rest.is_empty(), "{step}: {rest}");
        google.destroy(&settings).await;
    }
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_half_there_is_destroyed() {
    let google = Google::start().await;
    let settings = settings(&[]);
    for step in [2, 5] {
        let plan = google.plan(&settings).await;
        interrupted_apply(&google, &plan, &settings, step).await;
        google.destroy(&settings).await;
    }
    google.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_overtaken_is_no_trouble() {
    let google = Google::start().await;
    let settings = settings(&[]);
    let old = google.plan(&settings).await;
    let outputs = google.apply(&settings).await;
    let apply = google.try_apply(&old, &settings);
    assert_eq!(apply.await.expect("all is there already"), outputs);
    assert!(google.plan(&settings).await.is_empty());
    google.destroy(&settings).await;
    google.stop().await;
}
