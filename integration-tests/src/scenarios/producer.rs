//! The producer dies, and with it what it had not yet put on its disk.

use std::time::Duration;

use crate::stage::TestCluster;

const CRASHES: usize = 6;
const AWAY: Duration = Duration::from_millis(100);

pub(super) async fn crash(stage: &mut TestCluster) -> anyhow::Result<()> {
    for crash in 1..=CRASHES {
        stage.wait_until_accepted(100 * crash / (CRASHES + 2)).await?;
        stage.crash_producer(AWAY).await?;
    }
    Ok(())
}

pub(super) async fn rolling_restart(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.wait_until_accepted(20).await?;
    stage.crash_producer(AWAY).await?;
    stage.wait_until_accepted(40).await?;
    stage.kill_lambda().await?;
    stage.wait_until_accepted(60).await?;
    stage.kill_service().await
}
