//! The simulated clouds as the testbed of a scenario.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Simulation, World};
use crate::history::History;
use crate::schedule::Fault;
use crate::testbed::{Injection, RunProgress, Testbed};

/// The longest wait for an event, in virtual time.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Time that a fault waits for something to hit, once its own time is over.
const HIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// The testbed of a simulation.
pub(super) struct SimulatedTestbed<'a> {
    pub(super) simulation: &'a Simulation,
    pub(super) world: &'a World,
    /// Faults that were begun.
    pub(super) begun: usize,
}

/// A fault in force: its index and what it is.
pub(super) struct InForce(usize, Injection);

impl RunProgress for SimulatedTestbed<'_> {
    fn history(&self) -> &History {
        &self.simulation.history
    }

    fn trades(&self) -> u64 {
        self.simulation.workload.unique as u64
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn flow(&self) -> Duration {
        self.simulation.flow()
    }

    fn has_published_everything(&self) -> bool {
        self.world.producer.try_lock().is_ok_and(|producer| producer.has_published_everything())
    }

    fn will_wait_for(&self, _: u32) {}
}

impl Testbed for SimulatedTestbed<'_> {
    type InForce = InForce;

    fn divisor(&self) -> u32 {
        self.simulation.divisor
    }

    async fn begin(&mut self, injection: Injection) -> anyhow::Result<InForce> {
        let index = self.begun;
        self.begun += 1;
        self.world.begin(index, injection, injection.numbered(number(index))).await?;
        Ok(InForce(index, injection))
    }

    async fn end(&mut self, InForce(index, injection): InForce) -> anyhow::Result<()> {
        self.world.end(index, injection).await
    }

    async fn interrupt_deploy(&mut self, _: &mut InForce, _: Duration) -> anyhow::Result<()> {
        anyhow::bail!("nothing is deployed to simulated clouds")
    }

    async fn send_poison(&mut self) -> anyhow::Result<()> {
        let first = self.begun;
        self.begun += 2;
        anyhow::ensure!(self.simulation.workload.poison().count() > 0, "the load has no poison");
        self.simulation.send_all_poison(self.world, first).await
    }
}

/// The number in the history of the fault with an index.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

impl World {
    /// Injects a fault; `recorded` is how the history has it.
    pub(super) async fn begin(
        &self,
        index: usize,
        injection: Injection,
        recorded: crate::fault::Fault,
    ) -> anyhow::Result<()> {
        let (cloud, _) = self.pair(injection.cloud)?;
        cloud.break_it(index, injection.fault, recorded);
        match injection.fault {
            // The functions die with the messages that they hold.
            Fault::Kill | Fault::StopFunctions => {
                let functions = self.functions.lock().await.remove(&cloud.name);
                if let Some(mut functions) = functions {
                    functions.shutdown().await;
                }
                if injection.fault == Fault::StopFunctions {
                    cloud.fired(index, "its functions don't run");
                }
            }
            Fault::CrashProducer => {
                let mut producer = self.producer.lock().await;
                if !producer.has_ended() {
                    producer.crash().await?;
                    cloud.fired(index, "the producer is gone");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends a fault, once it has hit something or has had the time to.
    pub(super) async fn end(&self, index: usize, injection: Injection) -> anyhow::Result<()> {
        let (cloud, peer) = self.pair(injection.cloud)?;
        match injection.fault {
            Fault::Kill | Fault::StopFunctions => {
                cloud.heal(index);
                // Of two such faults at once the one that ends last starts the functions again.
                let mut functions = self.functions.lock().await;
                if cloud.has_functions() && !functions.contains_key(&cloud.name) {
                    functions.insert(cloud.name, self.common.start(cloud, peer));
                }
            }
            Fault::CrashProducer => {
                if cloud.has_fired(index) {
                    self.producer.lock().await.start()?;
                }
                cloud.heal(index);
            }
            _ => {
                let deadline = Instant::now() + HIT;
                // One that hit nothing proves nothing.
                while !cloud.has_fired(index) && Instant::now() < deadline {
                    sleep(POLL).await;
                }
                cloud.heal(index);
            }
        }
        Ok(())
    }
}
