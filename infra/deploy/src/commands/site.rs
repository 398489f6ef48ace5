//! The context of a command: the checkout, the environment's settings, and the clouds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use args::{DeployTarget, Part, Place};
use aws_config::SdkConfig;
use candle::{Interval, Symbol};
use infra::package::Manifest;
use infra::settings::FILE;
use infra::{Checkout, LOCAL, Settings};

use super::kept;
use crate::aws::{aws_config, emulator_credentials};
use crate::local::LocalClouds;
use crate::lock::{self, Lock};
use crate::smoke;
use cli::Failure;
use cli::Progress;

/// The context of a command.
#[derive(Debug)]
pub struct DeployContext {
    /// The checkout.
    pub checkout: Checkout,
    /// The settings of the environment.
    pub settings: Settings,
    /// The emulators; `None`: the real clouds.
    pub local: Option<LocalClouds>,
    /// Settings overridden for this call.
    pub(crate) sets: Vec<String>,
}

impl DeployContext {
    /// Reads the settings and finds the clouds.
    pub fn open(place: &Place, checkout: &Checkout) -> Result<Self, Failure> {
        let local = match place.target {
            DeployTarget::Cloud => None,
            DeployTarget::Processes => {
                Some(LocalClouds::find(&checkout.root).map_err(Failure::missing)?)
            }
        };
        let env = place.env.as_deref().or(local.is_some().then_some(LOCAL));
        let settings = load(checkout, env, &place.sets)?;
        Ok(Self { checkout: checkout.clone(), settings, local, sets: place.sets.clone() })
    }

    /// The same clouds for another environment.
    pub(super) fn of(&self, environment: &str) -> Result<Self, Failure> {
        let settings = load(&self.checkout, Some(environment), &self.sets)?;
        let Self { checkout, local, sets, .. } = self;
        Ok(Self { checkout: checkout.clone(), settings, local: local.clone(), sets: sets.clone() })
    }

    /// The kind of the clouds.
    #[must_use]
    pub fn target(&self) -> DeployTarget {
        if self.local.is_some() { DeployTarget::Processes } else { DeployTarget::Cloud }
    }

    /// `dev on cloud`, for headings.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} on {}", self.settings.project.environment, self.target())
    }

    /// The single parts of `part`, in the order in which they are deployed. Another region has no Google side of its own.
    pub(super) fn parts(&self, part: Part) -> Result<&'static [Part], Failure> {
        if self.is_home() {
            return Ok(part.parts());
        }
        match part {
            Part::All => Ok(Part::Aws.parts()),
            Part::Gcp => self.at_home("its Google side").map(|()| part.parts()),
            Part::Aws | Part::Foundation => Ok(part.parts()),
        }
    }

    /// True unless this environment is another one in another region.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.settings.project.region_of.is_none()
    }

    /// Refuses the command if `what` belongs to another environment.
    pub fn at_home(&self, what: &str) -> Result<(), Failure> {
        let Some(home) = &self.settings.project.region_of else { return Ok(()) };
        let environment = &self.settings.project.environment;
        Err(Failure::usage(anyhow!(
            "{environment} is {home} in another region, and {what} is {home}'s: use --env {home}"
        )))
    }

    /// The outputs of an earlier deploy of a part, by name.
    pub fn outputs(&self, part: Part) -> Result<BTreeMap<String, String>, Failure> {
        let environment = match part {
            Part::Gcp => self.settings.home(),
            _ => &self.settings.project.environment,
        };
        let file = kept::file(&self.checkout.root, environment, part);
        kept::read(&file, part)?.ok_or_else(|| {
            Failure::missing(anyhow!(
                "{part} of {} was not deployed from here; `cargo xtask deploy {part}` does it, and `cargo xtask outputs \
                 {part}` reads what somebody else has deployed",
                self.title()
            ))
        })
    }

    /// The SDK's configuration for AWS: credentials, region, endpoint.
    pub async fn aws_config(&self) -> SdkConfig {
        self.aws_config_in(&self.settings.aws.region).await
    }

    /// The same in another region.
    pub async fn aws_config_in(&self, region: &str) -> SdkConfig {
        let endpoint = self.local.as_ref().map(|local| local.aws_endpoint.as_str());
        let credentials = endpoint.map(|_| emulator_credentials());
        aws_config(endpoint, region, credentials).await
    }

    /// The manifest of `cargo xtask build`.
    pub(super) fn manifest(&self) -> Result<Manifest, Failure> {
        Manifest::read(&self.checkout.artifacts).map_err(Failure::missing)
    }

    /// The symbol of a smoke test's trade.
    pub fn smoke_symbol(&self) -> anyhow::Result<Symbol> {
        Symbol::parse(&self.settings.trading.smoke_symbol).context("read trading.smoke_symbol")
    }

    /// The time limits of a smoke test in a cloud whose grants take effect after `spread`.
    pub(super) fn smoke_limits(&self, spread: Duration, granted: bool) -> smoke::Limits {
        let seen = Duration::from_secs(self.settings.trading.smoke_timeout_s.into());
        // Grants on emulators take effect at once.
        let spread = if self.local.is_some() { Duration::ZERO } else { spread };
        smoke::Limits { seen, spread, granted }
    }

    /// The intervals of candles, the shortest first.
    pub fn intervals(&self) -> anyhow::Result<Vec<Interval>> {
        let intervals = self.settings.trading.intervals.iter().map(|text| text.parse());
        let mut intervals: Vec<Interval> =
            intervals.collect::<Result<_, _>>().context("read trading.intervals")?;
        intervals.sort();
        Ok(intervals)
    }

    /// The folder of this environment's files.
    #[must_use]
    pub fn outputs_dir(&self) -> PathBuf {
        self.checkout.root.join("outputs").join(&self.settings.project.environment)
    }

    /// Waits until no other command of this checkout changes this environment's stacks, and keeps others waiting as long as
    /// the lock is held.
    pub(super) async fn lock(&self, deed: &str, progress: &Progress) -> Result<Lock, Failure> {
        let environment = &self.settings.project.environment;
        let path = Lock::file(&self.checkout.root, environment);
        let mut told = |holder: &str| {
            progress.note(format!("{environment}: waiting for {holder} of this checkout to end"));
        };
        Ok(Lock::take(&path, deed, lock::LIMIT, &mut told).await?)
    }

    /// True if destroy asks for the stack's name.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.settings.is_protected()
    }
}

fn load(checkout: &Checkout, env: Option<&str>, sets: &[String]) -> Result<Settings, Failure> {
    let settings = Settings::load(&checkout.root.join(FILE), env, sets, super::variables());
    settings.map_err(Failure::usage)
}

/// Epoch milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
