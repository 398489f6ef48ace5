//! Links between everybody and the services break, and services work.

use std::time::Duration;

use fault_proxy::{Direction, Ending, Fault, TcpFault};
use tokio::time::sleep;

use super::{AWS, GCP};
use crate::delivery::{FACTOR, OUTAGE};
use crate::environments::emulated::network::{Client, LINKS, Link, Service};
use crate::fault::{self, FaultKind};
use crate::history::CloudId;
use crate::stage::TestCluster;

const AWAY: Duration = Duration::from_secs(3);
const STORE: FaultKind = FaultKind::Fail { service: fault::Service::Store };
const FLAPS: u32 = 5;
const FLAP: Duration = Duration::from_millis(700);

const PRODUCER_TO_AWS: Link = (Client::Producer, Service::Aws);
const PRODUCER_TO_PUBSUB: Link = (Client::Producer, Service::PubSub);

pub(super) fn cut() -> Fault {
    Fault::tcp(TcpFault::Cut { how: Ending::Reset })
}

fn hang() -> Fault {
    Fault::tcp(TcpFault::HalfOpen)
}

/// All links of others than the harness to a cloud.
fn links_to(cloud: CloudId) -> Vec<Link> {
    let of = LINKS.iter().copied().filter(|(viewer, _)| *viewer != Client::Harness);
    of.filter(|(_, service)| service.cloud() == cloud).collect()
}

pub(super) async fn flapping(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    for _ in 0..FLAPS {
        let broken = stage.break_links(FaultKind::CutCloud, &[PRODUCER_TO_AWS], &cut())?;
        sleep(FLAP).await;
        stage.heal_links(broken).await?;
        sleep(FLAP).await;
    }
    Ok(())
}

pub(super) async fn both_down(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(30).await?;
    let broken =
        stage.break_links(FaultKind::CutCloud, &[PRODUCER_TO_AWS, PRODUCER_TO_PUBSUB], &cut())?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn partition(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let between = [(Client::Aws, Service::Storage), (Client::Gcp, Service::Aws)];
    let broken = stage.break_links(FaultKind::CutPeer, &between, &cut())?;
    sleep(AWAY).await;
    // Each goes on by itself meanwhile.
    stage.wait_until_accepted_by(AWS, 1).await?;
    stage.heal_links(broken).await
}

pub(super) async fn asymmetric(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let deaf = Fault::tcp(TcpFault::Blackhole { direction: Direction::Down });
    let broken = stage.break_links(FaultKind::CutCloud, &[PRODUCER_TO_AWS], &deaf)?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn region(stage: &mut TestCluster, cloud: CloudId) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let broken = stage.break_links(FaultKind::CutCloud, &links_to(cloud), &hang())?;
    stage.wait_until_accepted_by(cloud.other(), 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn store_gcp(stage: &mut TestCluster) -> anyhow::Result<()> {
    outage(stage, STORE, (Client::Gcp, Service::Firestore), &hang()).await
}

/// Twelve minutes, divided as all times are.
pub(super) async fn outage_gcp(stage: &mut TestCluster) -> anyhow::Result<()> {
    let firestore = (Client::Gcp, Service::Firestore);
    stage.wait_until_accepted(20).await?;
    let broken = stage.break_links(STORE, &[firestore], &cut())?;
    sleep(OUTAGE / FACTOR).await;
    stage.heal_links(broken).await
}

pub(super) async fn archive_gcp(stage: &mut TestCluster) -> anyhow::Result<()> {
    let archive = FaultKind::Fail { service: fault::Service::Archive };
    outage(stage, archive, (Client::Gcp, Service::Storage), &cut()).await
}

pub(super) async fn functions_gcp(stage: &mut TestCluster) -> anyhow::Result<()> {
    let functions = FaultKind::Fail { service: fault::Service::Functions };
    outage(stage, functions, (Client::PubSub, Service::Ingest), &cut()).await
}

/// The queue takes messages, and the functions can't process them.
async fn outage(
    stage: &mut TestCluster,
    kind: FaultKind,
    link: Link,
    fault: &Fault,
) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    let broken = stage.break_links(kind, &[link], fault)?;
    stage.wait_until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn slow(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(10).await?;
    let delay =
        Fault::tcp(TcpFault::Delay { delay_ms: 40, jitter_ms: 60, direction: Direction::Both });
    let links: Vec<Link> = [AWS, GCP].into_iter().flat_map(links_to).collect();
    let broken = stage.break_links(FaultKind::Slow, &links, &delay)?;
    sleep(2 * AWAY).await;
    stage.heal_links(broken).await
}
