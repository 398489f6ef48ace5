//! Links between everybody and the services break, and services work.

use std::time::Duration;

use fault_proxy::{Direction, Ending, Fault, TcpFault};
use tokio::time::sleep;

use super::{AWS, GCP};
use crate::delivery::{FACTOR, OUTAGE};
use crate::history::CloudId;
use crate::stage::Stage;
use crate::targets::emulated::network::{LINKS, Link, Service, Viewer};

const AWAY: Duration = Duration::from_secs(3);
const FLAPS: u32 = 5;
const FLAP: Duration = Duration::from_millis(700);

const PRODUCER_TO_AWS: Link = (Viewer::Producer, Service::Aws);
const PRODUCER_TO_PUBSUB: Link = (Viewer::Producer, Service::PubSub);

pub(super) fn cut() -> Fault {
    Fault::tcp(TcpFault::Cut { how: Ending::Reset })
}

fn hang() -> Fault {
    Fault::tcp(TcpFault::HalfOpen)
}

/// All links of others than the harness to a cloud.
fn links_to(cloud: CloudId) -> Vec<Link> {
    let of = LINKS.iter().copied().filter(|(viewer, _)| *viewer != Viewer::Harness);
    of.filter(|(_, service)| service.cloud() == cloud).collect()
}

pub(super) async fn flapping(stage: &mut Stage) -> anyhow::Result<()> {
    stage.until_accepted(20).await?;
    for _ in 0..FLAPS {
        let broken = stage.break_links("cut_cloud", &[PRODUCER_TO_AWS], &cut())?;
        sleep(FLAP).await;
        stage.heal_links(broken).await?;
        sleep(FLAP).await;
    }
    Ok(())
}

pub(super) async fn both_down(stage: &mut Stage) -> anyhow::Result<()> {
    stage.until_accepted(30).await?;
    let broken = stage.break_links("cut_cloud", &[PRODUCER_TO_AWS, PRODUCER_TO_PUBSUB], &cut())?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn partition(stage: &mut Stage) -> anyhow::Result<()> {
    stage.until_accepted(20).await?;
    let between = [(Viewer::Aws, Service::Storage), (Viewer::Gcp, Service::Aws)];
    let broken = stage.break_links("partition", &between, &cut())?;
    sleep(AWAY).await;
    // Each goes on by itself meanwhile.
    stage.until_accepted_by(AWS, 1).await?;
    stage.heal_links(broken).await
}

pub(super) async fn asymmetric(stage: &mut Stage) -> anyhow::Result<()> {
    stage.until_accepted(20).await?;
    let deaf = Fault::tcp(TcpFault::Blackhole { direction: Direction::Down });
    let broken = stage.break_links("cut_cloud", &[PRODUCER_TO_AWS], &deaf)?;
    stage.until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn region(stage: &mut Stage, cloud: CloudId) -> anyhow::Result<()> {
    stage.until_accepted(20).await?;
    let broken = stage.break_links("cut_cloud", &links_to(cloud), &hang())?;
    stage.until_accepted_by(cloud.other(), 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn store_gcp(stage: &mut Stage) -> anyhow::Result<()> {
    outage(stage, (Viewer::Gcp, Service::Firestore), &hang()).await
}

/// Twelve minutes, divided as all times are.
pub(super) async fn outage_gcp(stage: &mut Stage) -> anyhow::Result<()> {
    let firestore = (Viewer::Gcp, Service::Firestore);
    stage.until_accepted(20).await?;
    let broken = stage.break_links("cut_service", &[firestore], &cut())?;
    sleep(OUTAGE / FACTOR).await;
    stage.heal_links(broken).await
}

pub(super) async fn archive_gcp(stage: &mut Stage) -> anyhow::Result<()> {
    outage(stage, (Viewer::Gcp, Service::Storage), &cut()).await
}

pub(super) async fn functions_gcp(stage: &mut Stage) -> anyhow::Result<()> {
    outage(stage, (Viewer::PubSub, Service::Ingest), &cut()).await
}

/// The queue takes messages, and nobody can do anything with them.
async fn outage(stage: &mut Stage, link: Link, fault: &Fault) -> anyhow::Result<()> {
    stage.until_accepted(20).await?;
    let broken = stage.break_links("cut_service", &[link], fault)?;
    stage.until_accepted_by(GCP, 1).await?;
    sleep(AWAY).await;
    stage.heal_links(broken).await
}

pub(super) async fn slow(stage: &mut Stage) -> anyhow::Result<()> {
    stage.until_accepted(10).await?;
    let delay =
        Fault::tcp(TcpFault::Delay { delay_ms: 40, jitter_ms: 60, direction: Direction::Both });
    let links: Vec<Link> = [AWS, GCP].into_iter().flat_map(links_to).collect();
    let broken = stage.break_links("slow", &links, &delay)?;
    sleep(2 * AWAY).await;
    stage.heal_links(broken).await
}
