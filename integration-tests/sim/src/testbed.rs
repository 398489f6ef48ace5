//! A testbed: two clouds, a producer that sends to them, and the faults that can be injected there. A scenario is written once,
//! as a list of [`Step`]s, and [`play`] runs it on any testbed that has the [`Capability`]s it needs.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use args::Target;
use tokio::time::{Instant, sleep};

use crate::fault::{self, FaultKind};
use crate::history::{CloudId, History, Tally};
use crate::schedule::{Fault, Link, Service};

/// The pause between two looks at the history.
const POLL: Duration = Duration::from_millis(10);

/// A fault and the cloud that it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The cloud.
    pub cloud: CloudId,
    /// The fault.
    pub fault: Fault,
}

/// A step of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait until so many percent of the trades are accepted, each by any cloud.
    Accepted(u32),
    /// Wait until a cloud has accepted so many messages more.
    AcceptedBy(CloudId, usize),
    /// Wait until the producer publishes to exactly these clouds.
    RoutedTo(&'static [CloudId]),
    /// Wait for a time.
    Wait(Duration),
    /// Wait for a time of the real clouds, divided by [`Testbed::divisor`].
    WaitDivided(Duration),
    /// Inject a fault, and leave it in force.
    Begin(Injection),
    /// End a fault that is in force, once it has hit something.
    End(Injection),
    /// Bring the killed cloud of an injection back, and kill it again while it is being deployed to, after so long.
    InterruptDeploy(Injection, Duration),
    /// Send the messages of the load that can't be decoded to both clouds, spread over the run.
    SendPoison,
}

/// An ability that not every testbed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// A cloud can be taken away, and brought back.
    KillCloud,
    /// A cloud can be frozen: connections stay, nothing answers.
    PauseCloud,
    /// Links to a cloud can be cut and slowed down, and calls of services can be made to fail.
    BreakLinks,
    /// The functions of a cloud can be stopped, while its queue works.
    StopFunctions(CloudId),
    /// A function can be killed while it works.
    CrashFunction,
    /// The producer can be killed.
    CrashProducer,
    /// The clock of a cloud's functions can be set.
    SetClock,
    /// The producer's credentials can be made to expire.
    ExpireCredentials,
    /// A deploy can be interrupted.
    InterruptDeploy,
    /// Messages that can't be decoded can be sent.
    SendPoison,
    /// A run can have several faults, at once or one after the other.
    SeveralFaults,
}

/// The capabilities of simulated clouds. Nothing is deployed there, so no deploy can be interrupted.
const SIMULATED: &[Capability] = &[
    Capability::KillCloud,
    Capability::PauseCloud,
    Capability::BreakLinks,
    Capability::StopFunctions(CloudId::Aws),
    Capability::StopFunctions(CloudId::Gcp),
    Capability::CrashFunction,
    Capability::CrashProducer,
    Capability::SetClock,
    Capability::ExpireCredentials,
    Capability::SendPoison,
    Capability::SeveralFaults,
];

/// The capabilities of clouds on emulators. One emulator of AWS, `LocalStack`, has no functions that can be killed; the harness
/// says so.
const EMULATED: &[Capability] = &[
    Capability::KillCloud,
    Capability::PauseCloud,
    Capability::BreakLinks,
    Capability::StopFunctions(CloudId::Gcp),
    Capability::CrashFunction,
    Capability::CrashProducer,
    Capability::ExpireCredentials,
    Capability::InterruptDeploy,
    Capability::SendPoison,
    Capability::SeveralFaults,
];

/// The capabilities of deployed clouds. A cloud is taken away by switches of its own APIs and keeps what it holds. They take
/// minutes to be effective everywhere, so a second fault would be seen in the first one's effects: a run has one.
const DEPLOYED: &[Capability] = &[
    Capability::KillCloud,
    Capability::StopFunctions(CloudId::Aws),
    Capability::StopFunctions(CloudId::Gcp),
];

/// The capabilities of the testbed of a target.
#[must_use]
pub fn capabilities(target: Target) -> &'static [Capability] {
    match target {
        Target::Sim => SIMULATED,
        Target::Auto | Target::Processes | Target::Containers => EMULATED,
        Target::Cloud | Target::Up => DEPLOYED,
    }
}

/// The progress of a run, for which the steps of a scenario wait.
pub trait RunProgress {
    /// The history of the run.
    fn history(&self) -> &History;

    /// The trades of the load, each counted once.
    fn trades(&self) -> u64;

    /// The longest wait for an event, apart from the time in which trades flow.
    fn timeout(&self) -> Duration;

    /// The time in which trades flow.
    fn flow(&self) -> Duration;

    /// True once the producer has ended, because it has published everything.
    fn has_published_everything(&self) -> bool;

    /// Prepares for a wait until so many percent of the trades are accepted.
    fn will_wait_for(&self, percent: u32);
}

/// Clouds, a producer that sends to them, and the means to break both.
pub trait Testbed: RunProgress {
    /// A fault that is in force.
    type InForce;

    /// The number by which times of the real clouds are divided here.
    fn divisor(&self) -> u32;

    /// Injects a fault; its number in the history is the next one.
    fn begin(
        &mut self,
        injection: Injection,
    ) -> impl Future<Output = anyhow::Result<Self::InForce>>;

    /// Ends a fault, once it has hit something: a fault that hit nothing proves nothing.
    fn end(&mut self, in_force: Self::InForce) -> impl Future<Output = anyhow::Result<()>>;

    /// Brings a killed cloud back, and kills it again while it is being deployed to, after so long.
    fn interrupt_deploy(
        &mut self,
        killed: &mut Self::InForce,
        after: Duration,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Sends the messages that can't be decoded to both clouds, spread over the run.
    fn send_poison(&mut self) -> impl Future<Output = anyhow::Result<()>>;
}

/// Runs the steps of a scenario, one after the other; each is told to `on_step` before. A fault without an [`Step::End`] stays
/// in force.
pub async fn play<T: Testbed>(
    steps: &[Step],
    testbed: &mut T,
    on_step: impl Fn(&str),
) -> anyhow::Result<()> {
    let mut in_force: Vec<(Injection, T::InForce)> = Vec::new();
    for step in steps {
        on_step(&step.to_string());
        match *step {
            Step::Accepted(_) | Step::AcceptedBy(..) | Step::RoutedTo(_) => {
                wait_until(*step, testbed).await?;
            }
            Step::Wait(time) => sleep(time).await,
            Step::WaitDivided(time) => sleep(time / testbed.divisor()).await,
            Step::Begin(injection) => {
                let begun = Box::pin(testbed.begin(injection)).await;
                in_force.push((injection, begun.with_context(|| format!("begin {injection}"))?));
            }
            Step::End(injection) => {
                let at = position(&in_force, injection)?;
                let (_, begun) = in_force.remove(at);
                let ended = Box::pin(testbed.end(begun)).await;
                ended.with_context(|| format!("end {injection}"))?;
            }
            Step::InterruptDeploy(injection, after) => {
                let at = position(&in_force, injection)?;
                let interrupted = testbed.interrupt_deploy(&mut in_force[at].1, after);
                Box::pin(interrupted).await.context("interrupt a deploy")?;
            }
            Step::SendPoison => Box::pin(testbed.send_poison()).await.context("send poison")?,
        }
    }
    Ok(())
}

fn position<B>(in_force: &[(Injection, B)], injection: Injection) -> anyhow::Result<usize> {
    let at = in_force.iter().position(|(begun, _)| *begun == injection);
    at.with_context(|| format!("{injection} is ended and was not begun"))
}

/// Waits until a step's event has happened.
pub async fn wait_until<T: RunProgress>(step: Step, testbed: &T) -> anyhow::Result<()> {
    if let Step::Accepted(percent) = step {
        testbed.will_wait_for(percent);
    }
    let all = testbed.trades();
    let tally = |read: &dyn Fn(&Tally) -> bool| testbed.history().tally(read);
    let accepted_by = |cloud| {
        let of = |tally: &Tally| tally.accepted_by.get(&cloud).copied();
        testbed.history().tally(of).unwrap_or(0)
    };
    match step {
        Step::Accepted(percent) => {
            let wanted = all * u64::from(percent) / 100;
            let what = format!("{wanted} of {all} trades to be accepted");
            let timeout = testbed.timeout() + testbed.flow();
            let is_so = || tally(&|tally| tally.accepted_trades >= wanted);
            until(testbed, timeout, &what, is_so).await
        }
        Step::AcceptedBy(cloud, more) => {
            let wanted = accepted_by(cloud) + more;
            let what = format!("{cloud} to accept {more} messages more");
            until(testbed, testbed.timeout(), &what, || accepted_by(cloud) >= wanted).await
        }
        Step::RoutedTo(clouds) => {
            let what = format!("messages to go to {clouds:?}");
            let is_to = |targets: &[String]| {
                let goes_to =
                    |cloud: &CloudId| targets.iter().any(|to| to.starts_with(cloud.as_str()));
                targets.len() == clouds.len() && clouds.iter().all(goes_to)
            };
            let is_so = || tally(&|tally| is_to(&tally.publish));
            until(testbed, testbed.timeout(), &what, is_so).await
        }
        _ => Ok(()),
    }
}

/// Waits until something is so, but no longer than a time and no longer than the producer runs.
pub async fn until<T: RunProgress>(
    testbed: &T,
    timeout: Duration,
    what: &str,
    is_so: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        // In this order: the producer may end by the very event that is waited for.
        let (is_over, is_late) = (testbed.has_published_everything(), Instant::now() >= deadline);
        if is_so() {
            return Ok(());
        }
        ensure!(
            !is_over,
            "all trades were published while the run waited for {what}; give it more of them: --duration"
        );
        ensure!(
            !is_late,
            "waited {timeout:?} in vain for {what}; the logs in the run's folder say what the programs did"
        );
        sleep(POLL).await;
    }
}

impl Injection {
    /// An injection of a fault into a cloud.
    #[must_use]
    pub const fn new(cloud: CloudId, fault: Fault) -> Self {
        Self { cloud, fault }
    }

    /// The kind of the fault in the history. Scenarios cut the producer off for so long that the other cloud must take over.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self.fault {
            Fault::Cut { link: Link::Producer | Link::All, .. }
            | Fault::OneWay { link: Link::Producer | Link::All }
            | Fault::Fail { service: Service::Queue, percent: 100 } => FaultKind::CutCloud,
            fault => fault.kind(),
        }
    }

    /// The fault with its number in the history.
    #[must_use]
    pub fn numbered(&self, number: u32) -> fault::Fault {
        fault::Fault::new(number, self.kind())
    }

    fn capability(&self) -> Capability {
        match self.fault {
            Fault::Kill => Capability::KillCloud,
            Fault::Pause => Capability::PauseCloud,
            Fault::Cut { .. }
            | Fault::OneWay { .. }
            | Fault::Fail { .. }
            | Fault::Hang { .. }
            | Fault::Throttle { .. }
            | Fault::LoseAnswers { .. }
            | Fault::Slow { .. }
            | Fault::Duplicate { .. }
            | Fault::Reorder { .. } => Capability::BreakLinks,
            Fault::StopFunctions => Capability::StopFunctions(self.cloud),
            Fault::ExpireCredentials => Capability::ExpireCredentials,
            Fault::Skew { .. } => Capability::SetClock,
            Fault::CrashFunction { .. } => Capability::CrashFunction,
            Fault::CrashProducer => Capability::CrashProducer,
        }
    }
}

impl Step {
    /// The capability that the step needs of a testbed.
    #[must_use]
    pub fn needs(&self) -> Option<Capability> {
        match self {
            Self::Begin(injection) => Some(injection.capability()),
            Self::InterruptDeploy(..) => Some(Capability::InterruptDeploy),
            Self::SendPoison => Some(Capability::SendPoison),
            _ => None,
        }
    }
}

/// The capabilities that steps need.
#[must_use]
pub fn needs(steps: &[Step]) -> BTreeSet<Capability> {
    let mut needs: BTreeSet<Capability> = steps.iter().filter_map(Step::needs).collect();
    if steps.iter().filter(|step| matches!(step, Step::Begin(_))).count() > 1 {
        needs.insert(Capability::SeveralFaults);
    }
    needs
}

/// The faults that the history must have of these steps.
#[must_use]
pub fn faults(steps: &[Step]) -> usize {
    let faults = |step: &Step| match step {
        Step::Begin(_) | Step::InterruptDeploy(..) => 1,
        // One on each cloud.
        Step::SendPoison => 2,
        _ => 0,
    };
    steps.iter().map(faults).sum()
}

/// Such as `kill on aws`.
impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.kind(), self.cloud)
    }
}

/// Such as `wait until gcp has accepted 1 messages more`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(percent) => {
                write!(f, "wait until {percent} % of the trades are accepted")
            }
            Self::AcceptedBy(cloud, more) => {
                write!(f, "wait until {cloud} has accepted {more} messages more")
            }
            Self::RoutedTo(clouds) => {
                let clouds: Vec<&str> = clouds.iter().map(|cloud| cloud.as_str()).collect();
                write!(f, "wait until messages go to {} alone", clouds.join(" and "))
            }
            Self::Wait(time) => write!(f, "wait {time:?}"),
            Self::WaitDivided(time) => write!(f, "wait {time:?} of the real clouds"),
            Self::Begin(injection) => write!(f, "begin {injection}"),
            Self::End(injection) => write!(f, "end {injection}"),
            Self::InterruptDeploy(injection, after) => {
                write!(f, "interrupt the deploy to {} after {after:?}", injection.cloud)
            }
            Self::SendPoison => f.write_str("send messages that can't be decoded"),
        }
    }
}

/// Such as `kill-cloud`.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillCloud => "kill-cloud",
            Self::PauseCloud => "pause-cloud",
            Self::BreakLinks => "break-links",
            Self::StopFunctions(cloud) => return write!(f, "stop-functions-{cloud}"),
            Self::CrashFunction => "crash-function",
            Self::CrashProducer => "crash-producer",
            Self::SetClock => "set-clock",
            Self::ExpireCredentials => "expire-credentials",
            Self::InterruptDeploy => "interrupt-deploy",
            Self::SendPoison => "send-poison",
            Self::SeveralFaults => "several-faults",
        })
    }
}
