//! Messages that no function can decode, which the workload has beside those of trades.

use std::time::Duration;

use anyhow::bail;
use cloud_memory::Effects;
use pipeline::ports::Queue as _;
use tokio::time::{sleep, sleep_until};

use super::breakable::Breakable;
use super::functions::Common;
use super::ports::Client;
use super::testbed::number;
use super::{Simulation, World};
use crate::fault::{Fault, FaultKind};
use crate::history::Event;

/// Tries at sending one, and the pause between two.
const TRIES: u32 = 600;
const RETRY: Duration = Duration::from_millis(100);

impl Simulation {
    /// Sends the poison of the workload to both clouds, spread over the time in which trades flow: a fault of each cloud, the
    /// first with the index `first`. A workload without poison has no such fault.
    pub(super) async fn send_all_poison(&self, world: &World, first: usize) -> anyhow::Result<()> {
        let sent = (first..).zip(&world.clouds).map(|(index, cloud)| {
            let fault = Fault::new(number(index), FaultKind::Poison);
            self.send_poison(&world.common, cloud, fault)
        });
        futures::future::try_join_all(sent).await?;
        Ok(())
    }

    /// Sends the poison of the workload to a cloud, spread over the time in which trades flow. A cloud that dies afterwards
    /// takes it along, so a schedule with deaths should have none.
    async fn send_poison(
        &self,
        common: &Common,
        cloud: &Breakable,
        fault: Fault,
    ) -> anyhow::Result<()> {
        let ports = common.ports(cloud, Client::Producer, Effects::default());
        let count = u32::try_from(self.workload.poison().count())?;
        if count == 0 {
            return Ok(());
        }
        let name = cloud.name;
        let detail = format!("{count} messages that can't be decoded");
        common.history.record(Event::FaultBegun { cloud: name, fault, detail });
        for (number, body) in (1..).zip(self.workload.poison()) {
            sleep_until(common.started + self.flow() * number / (count + 1)).await;
            let mut tries = 0;
            while let Some(error) =
                ports.publish(vec![body.to_owned()]).await.into_iter().find_map(Result::err)
            {
                tries += 1;
                if tries == TRIES {
                    bail!("send poison to {}: {error}, {TRIES} times", cloud.name);
                }
                sleep(RETRY).await;
            }
            let detail = "a queue took one".to_owned();
            common.history.record(Event::FaultFired { cloud: name, fault, detail });
            common.history.record(Event::PoisonAccepted { cloud: name, body: body.to_owned() });
        }
        common.history.record(Event::FaultHealed { cloud: name, fault });
        Ok(())
    }

    /// The time in which trades flow, if nothing holds the producer up.
    pub(super) fn flow(&self) -> Duration {
        let trades = self.workload.frames.len() as u64;
        Duration::from_millis(trades * 1_000 / u64::from(self.rate))
    }
}
