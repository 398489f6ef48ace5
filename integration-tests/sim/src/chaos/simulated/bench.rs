//! Runs without a folder and a report: played and judged in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use args::Target;
use candle::Interval;
use cli::Failure;
use infra::Settings;

use crate::chaos::set_route;
use crate::delivery;
use crate::evidence::{About, Evidence};
use crate::history::History;
use crate::invariants::{self, Finding, Verdict};
use crate::mutants::Mutant;
use crate::recompute::{self, PublishedTrades};
use crate::report;
use crate::run::{self, RunSpec};
use crate::schedule::Schedule;
use crate::simulation::{Plan, Simulation};
use crate::workload::Workload;

/// The settings and the load of many runs.
pub(super) struct Bench {
    settings: Settings,
    workload: Arc<Workload>,
    published: PublishedTrades,
    intervals: Vec<Interval>,
    rate: u32,
}

/// The verdict on a run without a folder.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
}

impl Judged {
    pub(super) fn broken(&self) -> BTreeSet<&'static str> {
        let broken = self.findings.iter().filter(|finding| finding.verdict == Verdict::Broken);
        broken.map(|finding| finding.name).collect()
    }
}

impl Bench {
    pub(super) fn new(settings: Settings, order: &RunSpec, rate: u32) -> Result<Self, Failure> {
        let recipe = run::recipe(order, &settings).map_err(Failure::Usage)?;
        let workload = Workload::prepare(&recipe).map_err(Failure::Usage)?;
        let published = recompute::parse(&(workload.frames.join("\n") + "\n"))?;
        let intervals = settings.trading.intervals.iter().map(|text| text.parse());
        let intervals = intervals.collect::<Result<_, _>>().context("read trading.intervals")?;
        Ok(Self { settings, workload: Arc::new(workload), published, intervals, rate })
    }

    pub(super) fn flow_ms(&self) -> u64 {
        self.workload.frames.len() as u64 * 1_000 / u64::from(self.rate)
    }

    /// Plays a schedule and judges it, all in memory but for the spool.
    pub(super) fn judge(
        &self,
        seed: u64,
        schedule: &Schedule,
        mutant: Option<Mutant>,
    ) -> anyhow::Result<Judged> {
        let dir = scratch()?;
        let history = History::in_memory();
        let mut settings = self.settings.clone();
        set_route(&mut settings, schedule.route.route());
        let simulation = Simulation {
            seed,
            plan: Plan::Schedule(schedule.clone()),
            divisor: delivery::FACTOR,
            workload: Arc::clone(&self.workload),
            intervals: self.intervals.clone(),
            rate: self.rate,
            history: history.clone(),
            spool: dir.path().join("spool"),
            settings,
            mutant,
        };
        let played = simulation.run();
        let history = history.take();
        let snapshots = match played {
            Ok(snapshots) => snapshots,
            Err(error) => {
                let (verdict, detail) = (Verdict::Broken, format!("{error:#}"));
                let findings = vec![Finding { name: report::ENDED, verdict, detail }];
                return Ok(Judged { findings });
            }
        };
        let about = About { faults_asked: schedule.faults.len(), ..About::new(Target::Sim, seed) };
        let evidence = Evidence {
            about,
            history,
            frames: self.workload.frames.len(),
            published: self.published.clone(),
            intervals: self.intervals.clone(),
            snapshots,
        };
        Ok(Judged { findings: invariants::check(&evidence) })
    }
}

/// A temporary folder: in memory, if the system has such a folder and `TMPDIR` names no other one.
fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let is_free = memory.is_dir() && std::env::var_os("TMPDIR").is_none();
    let made = if is_free { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).context("make a folder for the spool")
}
