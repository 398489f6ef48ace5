//! Requests that are refused, lost, doubled or reordered, as the cloud itself would do it.

use std::time::Duration;

use fault_proxy::{AwsError, Fault, GoogleError, HttpFault, Loss, Match, Which};
use tokio::time::sleep;

use super::{AWS, GCP};
use crate::delivery::{FACTOR, OUTAGE};
use crate::environments::emulated::network::{Client, Link, Service};
use crate::fault::{self, FaultKind};
use crate::stage::TestCluster;

const AWAY: Duration = Duration::from_secs(3);

const PRODUCER_TO_AWS: Link = (Client::Producer, Service::Aws);
const PRODUCER_TO_PUBSUB: Link = (Client::Producer, Service::PubSub);
const AWS_FUNCTIONS: Link = (Client::Aws, Service::Aws);
const TO_AWS: [Link; 3] = [PRODUCER_TO_AWS, AWS_FUNCTIONS, (Client::Gcp, Service::Aws)];
const TO_GOOGLE: [Link; 4] = [
    PRODUCER_TO_PUBSUB,
    (Client::Gcp, Service::Firestore),
    (Client::Gcp, Service::Storage),
    (Client::Aws, Service::Storage),
];

/// Of the calls that change something.
const SEND: &str = "SendMessageBatch";
const PUBLISH: &str = "Publish";

/// An outage of a store, by its service and the name of the service at the proxy.
pub(super) async fn service_aws(
    stage: &mut TestCluster,
    service: fault::Service,
    name: &str,
) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let away = Fault::aws(AwsError::Unavailable).on(Match::service(name));
    let broken = stage.break_links(FaultKind::Fail { service }, &[AWS_FUNCTIONS], &away)?;
    stage.wait_until_accepted_by(AWS, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

/// Twelve minutes, divided as all times are.
pub(super) async fn outage_aws(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let away = Fault::aws(AwsError::Unavailable).on(Match::service("dynamodb"));
    let broken = stage.break_links(
        FaultKind::Fail { service: fault::Service::Store },
        &[AWS_FUNCTIONS],
        &away,
    )?;
    sleep(OUTAGE / FACTOR).await;
    stage.heal_links(broken).await
}

pub(super) async fn queue_aws(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let away = Fault::aws(AwsError::Unavailable).on(Match::service("sqs"));
    let broken = stage.break_links(FaultKind::CutCloud, &[PRODUCER_TO_AWS], &away)?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn queue_gcp(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let away = Fault::google(GoogleError::Unavailable).on(Match::service("pubsub"));
    let broken = stage.break_links(FaultKind::CutCloud, &[PRODUCER_TO_PUBSUB], &away)?;
    stage.wait_until_accepted_by(AWS, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn throttling(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let aws = Fault::aws(AwsError::Throttling).probability(0.33);
    let google = Fault::google(GoogleError::ResourceExhausted).probability(0.33);
    let on_aws = stage.break_links(FaultKind::Throttle, &TO_AWS, &aws)?;
    let on_google = stage.break_links(FaultKind::Throttle, &TO_GOOGLE, &google)?;
    sleep(AWAY).await;
    stage.heal_links(on_aws).await?;
    stage.heal_links(on_google).await
}

pub(super) async fn lost_responses(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let lost = |loss| Fault::http(HttpFault::LostResponse { loss }).probability(0.3);
    let on_aws = stage.break_links(
        FaultKind::LoseAnswers { service: fault::Service::All },
        &[PRODUCER_TO_AWS, AWS_FUNCTIONS],
        &lost(Loss::Connection),
    )?;
    let on_google = stage.break_links(
        FaultKind::LoseAnswers { service: fault::Service::All },
        &TO_GOOGLE,
        &lost(Loss::Stream),
    )?;
    sleep(AWAY).await;
    stage.heal_links(on_aws).await?;
    stage.heal_links(on_google).await
}

pub(super) async fn duplicate_and_reorder(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let sqs = Match::service("sqs").operation(SEND);
    let pubsub = Match::service("pubsub").operation(PUBLISH);
    let twice = |on: &Match| {
        let twice = HttpFault::Duplicate { answer: Which::Last };
        Fault::http(twice).on(on.clone()).probability(0.5)
    };
    let late = |on: &Match| {
        Fault::http(HttpFault::Reorder { max_hold_ms: 400 }).on(on.clone()).probability(0.3)
    };
    let broken = [
        stage.break_links(FaultKind::Duplicate, &[PRODUCER_TO_AWS], &twice(&sqs))?,
        stage.break_links(FaultKind::Duplicate, &[PRODUCER_TO_PUBSUB], &twice(&pubsub))?,
        stage.break_links(FaultKind::Reorder, &[PRODUCER_TO_AWS], &late(&sqs))?,
        stage.break_links(FaultKind::Reorder, &[PRODUCER_TO_PUBSUB], &late(&pubsub))?,
    ];
    sleep(AWAY).await;
    for broken in broken {
        stage.heal_links(broken).await?;
    }
    Ok(())
}

pub(super) async fn expired_credentials(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let expired = Fault::aws(AwsError::Named {
        status: 403,
        code: "ExpiredTokenException".to_owned(),
        message: "The security token included in the request is expired".to_owned(),
    });
    let broken = stage.break_links(FaultKind::ExpireCredentials, &[PRODUCER_TO_AWS], &expired)?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await?;
    stage.wait_until_routed_to(&[AWS]).await
}
