//! The record of a game day, `outputs/ENVIRONMENT/game-day.json`; it exists as long as a switch may be applied.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use args::{CloudId, DeployTarget, Place};
use cli::Failure;
use deploy::commands::{DeployContext, now_ms};
use infra::Checkout;
use serde::{Deserialize, Serialize};

use super::Switch;

const FILE: &str = "game-day.json";
const SCHEMA: u32 = 1;

/// The state before a game day, on disk before any switch is applied.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
    content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: u32,
    environment: String,
    /// True if the clouds are those that `cargo xtask up` started.
    local: bool,
    /// The settings that were changed for the game day.
    sets: Vec<String>,
    scenario: String,
    cloud: String,
    begun_ms: u64,
    switches: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    undone: bool,
    before: Switch,
}

/// The reason why a record can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is a record already.
    #[error(
        "a game day is under way, or did not end: {}; `cargo xtask chaos heal --env {environment}` undoes it",
        path.display()
    )]
    Present {
        /// The record.
        path: PathBuf,
        /// Its environment.
        environment: String,
    },
    /// The file can't be read or written.
    #[error("{action} {}: {problem}", path.display())]
    File {
        /// The operation.
        action: &'static str,
        /// The record.
        path: PathBuf,
        /// The error.
        problem: String,
    },
}

impl RecordError {
    fn file(action: &'static str, path: &Path, problem: &impl ToString) -> Self {
        Self::File { action, path: path.to_owned(), problem: problem.to_string() }
    }
}

impl Record {
    /// Records the switches that are about to be applied. `sets` are the settings of the command line.
    pub fn begin(
        site: &DeployContext,
        sets: &[String],
        cloud: CloudId,
        scenario: &str,
        switches: Vec<Switch>,
    ) -> Result<Self, Failure> {
        let content = Content {
            schema: SCHEMA,
            environment: site.settings.project.environment.clone(),
            local: site.local.is_some(),
            sets: sets.to_vec(),
            scenario: scenario.to_owned(),
            cloud: cloud.to_string(),
            begun_ms: now_ms(),
            switches: switches.into_iter().map(|before| Entry { undone: false, before }).collect(),
        };
        let record = Self { path: site.outputs_dir().join(FILE), content };
        record.create().map_err(Failure::missing)?;
        Ok(record)
    }

    /// Fails if there is a record of another game day.
    pub fn none(site: &DeployContext) -> Result<(), Failure> {
        let environment = &site.settings.project.environment;
        match Self::find(&site.checkout, environment)? {
            None => Ok(()),
            Some(Self { path, .. }) => {
                let environment = environment.clone();
                Err(Failure::missing(RecordError::Present { path, environment }))
            }
        }
    }

    /// The record of an environment, if there is one.
    pub fn find(checkout: &Checkout, environment: &str) -> Result<Option<Self>, Failure> {
        let path = checkout.root.join("outputs").join(environment).join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::missing(RecordError::file("read", &path, &error))),
        };
        let content: Content = serde_json::from_str(&text).map_err(|error| {
            Failure::missing(RecordError::file(
                "read",
                &path,
                &format!(
                    "{error}; it says what was there before: undo it by hand, then delete the file"
                ),
            ))
        })?;
        Ok(Some(Self { path, content }))
    }

    /// The switches, in the order of their application.
    pub fn switches(&self) -> impl Iterator<Item = &Switch> {
        self.content.switches.iter().map(|entry| &entry.before)
    }

    /// The path of the record.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_local(&self) -> bool {
        self.content.local
    }

    pub(super) fn place(&self) -> Place {
        let target = if self.content.local { DeployTarget::Processes } else { DeployTarget::Cloud };
        let Content { environment, sets, .. } = &self.content;
        Place { env: Some(environment.clone()), sets: sets.clone(), target }
    }

    /// The switches that are still to be undone, the last first.
    pub(super) fn switches_to_undo(&self) -> Vec<Switch> {
        let entries = self.content.switches.iter().rev().filter(|entry| !entry.undone);
        entries.map(|entry| entry.before.clone()).collect()
    }

    pub(super) fn undone(&mut self, switch: &Switch) -> Result<(), RecordError> {
        for entry in self.content.switches.iter_mut().filter(|entry| entry.before == *switch) {
            entry.undone = true;
        }
        let part = self.write_part()?;
        fs::rename(part, &self.path).map_err(|error| self.failed("write", &error))
    }

    /// Removes the record once all is undone; another process may have removed it already.
    pub(super) fn remove(self) -> Result<(), RecordError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("delete", &error))
            }
            _ => Ok(()),
        }
    }

    /// Creates the file completely or not at all, and never replaces one.
    fn create(&self) -> Result<(), RecordError> {
        let part = self.write_part()?;
        let linked = fs::hard_link(&part, &self.path);
        let _ = fs::remove_file(&part);
        match linked {
            Ok(()) => self.sync_folder(),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(RecordError::Present {
                    path: self.path.clone(),
                    environment: self.content.environment.clone(),
                })
            }
            Err(error) => Err(self.failed("write", &error)),
        }
    }

    fn write_part(&self) -> Result<PathBuf, RecordError> {
        let part = self.path.with_extension(format!("{}.part", std::process::id()));
        let write = || -> io::Result<()> {
            fs::create_dir_all(self.folder())?;
            let mut file = File::create(&part)?;
            file.write_all(&serde_json::to_vec_pretty(&self.content)?)?;
            file.sync_all()
        };
        write().map_err(|error| self.failed("write", &error))?;
        Ok(part)
    }

    /// Syncs the folder, so that the file survives a power cut.
    fn sync_folder(&self) -> Result<(), RecordError> {
        let synced = File::open(self.folder()).and_then(|folder| folder.sync_all());
        synced.map_err(|error| self.failed("write", &error))
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn failed(&self, action: &'static str, error: &impl ToString) -> RecordError {
        RecordError::file(action, &self.path, error)
    }
}
