//! A whole cloud is gone for a while.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::network::cut;
use super::{AWS, GCP};
use crate::environments::emulated::network::{Client, Service};
use crate::fault::FaultKind;
use crate::history::CloudId;
use crate::stage::TestCluster;

/// Long enough to be told from a hiccup.
const AWAY: Duration = Duration::from_secs(1);
/// In the middle of what comes after a cloud is there again.
const MIDWAY: Duration = Duration::from_millis(300);

/// The primary dies with everything in it, the other one takes over, and the primary is failed back to.
pub(super) async fn kill(stage: &mut TestCluster, cloud: CloudId) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let killed = stage.kill_cloud(cloud).await?;
    stage.wait_until_routed_to(&[cloud.other()]).await?;
    stage.wait_until_accepted_by(cloud.other(), 1).await?;
    sleep(AWAY).await;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await?;
    stage.wait_until_routed_to(&[cloud]).await
}

pub(super) async fn kill_mirrored(stage: &mut TestCluster, cloud: CloudId) -> anyhow::Result<()> {
    stage.wait_until_accepted(33).await?;
    let killed = stage.kill_cloud(cloud).await?;
    stage.wait_until_accepted(66).await?;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await
}

/// Nothing is healed before the other cloud has taken everything.
pub(super) async fn kill_for_good(stage: &mut TestCluster, cloud: CloudId) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let killed = stage.kill_cloud(cloud).await?;
    stage.wait_until_accepted(100).await.context("the other cloud is to take everything")?;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await
}

pub(super) async fn kill_during_failover(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let killed = stage.kill_cloud(AWS).await?;
    stage.wait_until_routed_to(&[GCP]).await?;
    stage.crash_producer(MIDWAY).await?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await
}

pub(super) async fn kill_during_restore(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let killed = stage.kill_cloud(AWS).await?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await?;
    sleep(MIDWAY).await;
    let killed = stage.kill_cloud(AWS).await?;
    sleep(MIDWAY).await;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await
}

pub(super) async fn kill_during_deploy(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let killed = stage.kill_cloud(AWS).await?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    stage.start_cloud(&killed).await?;
    tokio::select! {
        deployed = stage.clouds.emulated.deploy(AWS) => deployed.context("deploy, to be killed")?,
        () = sleep(MIDWAY / 2) => {}
    }
    let again = stage.kill_cloud(AWS).await?;
    stage.start_cloud(&again).await?;
    stage.redeploy(again).await?;
    stage.settle(&killed);
    Ok(())
}

/// By its incarnation id alone the next producer knows that the primary is another one, and what was not copied before is
/// nowhere else than in the spool.
pub(super) async fn kill_unseen(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let broken = stage.break_links(FaultKind::CutPeer, &[(Client::Gcp, Service::Aws)], &cut())?;
    stage.wait_until_accepted(20).await?;
    let crashed = stage.kill_producer().await?;
    let killed = stage.kill_cloud(AWS).await?;
    stage.start_cloud(&killed).await?;
    stage.redeploy(killed).await?;
    stage.heal_links(broken).await?;
    stage.start_producer(crashed).await
}

pub(super) async fn pause(stage: &mut TestCluster, cloud: CloudId) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    stage.pause_cloud(cloud, 4 * AWAY).await?;
    stage.wait_until_routed_to(&[cloud]).await
}
