//! Functions that die, and messages that they can't take.

use crate::stage::TestCluster;

const CRASHES: usize = 4;

pub(super) async fn crash(stage: &mut TestCluster) -> anyhow::Result<()> {
    for crash in 1..=CRASHES {
        stage.wait_until_accepted(100 * crash / (CRASHES + 1)).await?;
        stage.kill_lambda().await?;
        stage.kill_service().await?;
    }
    Ok(())
}

/// The poison is the fault.
pub(super) async fn poison(stage: &mut TestCluster) -> anyhow::Result<()> {
    stage.poison().await
}
