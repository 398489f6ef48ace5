//! Names of one symbol in an archive, hour by hour.

use std::collections::{BTreeSet, VecDeque};

use candle::NamesDigest;

use crate::ports::{Archive, PortError};

/// Names in one list request; the most that S3 and Cloud Storage return.
const PAGE: usize = 1000;

/// Lists names of archive objects one hour at a time: memory holds one hour and a page, however old the archive.
///
/// To compare two archives, walk through both; equal digests show that they are equal.
#[derive(Debug)]
pub struct Hours {
    prefix: String,
    after: Option<String>,
    listed: VecDeque<String>,
    all_listed: bool,
}

/// The names of one hour.
#[derive(Clone, Debug)]
pub struct HourOfNames {
    /// Their common prefix, up to and with its last slash.
    pub folder: String,
    /// The names, ascending.
    pub names: Vec<String>,
}

impl Hours {
    /// The names below `prefix` (`trades/v1/BTCUSDT/`) that sort behind `after`.
    #[must_use]
    pub fn new(prefix: String, after: Option<String>) -> Self {
        Self { prefix, after, listed: VecDeque::new(), all_listed: false }
    }

    /// The next hour, or `None` at the end.
    pub async fn next<A: Archive>(
        &mut self,
        archive: &A,
    ) -> Result<Option<HourOfNames>, PortError> {
        let Some(first) = self.peek(archive).await? else { return Ok(None) };
        let folder = folder(first).to_owned();
        let mut names = Vec::new();
        while self.peek(archive).await?.is_some_and(|name| name.starts_with(&folder)) {
            names.extend(self.listed.pop_front());
        }
        Ok(Some(HourOfNames { folder, names }))
    }

    /// The hour of this folder, if the archive has it; skips the hours before it.
    pub async fn seek<A: Archive>(
        &mut self,
        archive: &A,
        folder: &str,
    ) -> Result<Option<HourOfNames>, PortError> {
        while self.peek(archive).await?.is_some_and(|name| name < folder) {
            self.listed.pop_front();
        }
        match self.peek(archive).await? {
            Some(name) if name.starts_with(folder) => self.next(archive).await,
            _ => Ok(None),
        }
    }

    async fn peek<A: Archive>(&mut self, archive: &A) -> Result<Option<&str>, PortError> {
        if self.listed.is_empty() && !self.all_listed {
            let page = archive.list(&self.prefix, self.after.as_deref(), PAGE).await?;
            self.all_listed = page.len() < PAGE;
            self.after = page.last().cloned().or(self.after.take());
            self.listed.extend(page);
        }
        Ok(self.listed.front().map(String::as_str))
    }
}

impl HourOfNames {
    /// Digest of the names; equal for equal names.
    #[must_use]
    pub fn digest(&self) -> NamesDigest {
        NamesDigest::of(self.names.iter().map(String::as_str))
    }

    /// The names that `other`, the same hour in another archive, lacks.
    #[must_use]
    pub fn missing_in(&self, other: Option<&Self>) -> Vec<String> {
        if other.is_some_and(|other| other.digest() == self.digest()) {
            return Vec::new();
        }
        let there: BTreeSet<&String> = other.iter().flat_map(|other| &other.names).collect();
        self.names.iter().filter(|name| !there.contains(name)).cloned().collect()
    }
}

/// A name up to and with its last slash.
fn folder(name: &str) -> &str {
    name.rfind('/').map_or("", |slash| &name[..=slash])
}
