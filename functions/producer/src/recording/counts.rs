//! Numbers of lines of each kind in a recording.

use std::collections::BTreeMap;
use std::fmt;

use candle::binance::{Kind, Outcome};
use serde::{Deserialize, Serialize};

/// Refused lines to list one by one.
const TOLD_MAX: usize = 10;

/// Counts of the lines of a recording, by how they were treated. Items of a list are counted one by
/// one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines, blank ones too.
    pub lines: u64,
    /// Trades, by the form of the line.
    pub taken: BTreeMap<Kind, u64>,
    /// Lines of Binance's that are not wanted trades.
    pub passed_over: BTreeMap<Kind, u64>,
    /// Malformed lines.
    pub refused: BTreeMap<Kind, u64>,
    /// The first lines that were refused or cut short.
    pub told: Vec<Told>,
}

/// A line that was refused or cut short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The member, if the file is a zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The line, from 1.
    pub line: u64,
    /// Its kind.
    pub kind: Kind,
    /// The reason.
    pub why: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, line, kind, why } = self;
        if let Some(member) = member {
            write!(f, "{member}, ")?;
        }
        write!(f, "line {line}: {why} ({kind})")
    }
}

impl Counts {
    /// Trades that were taken.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.taken.values().sum()
    }

    /// True if each line is a trade that was taken.
    #[must_use]
    pub fn are_all_taken(&self) -> bool {
        self.passed_over.is_empty() && self.refused.is_empty()
    }

    pub(super) fn note(&mut self, kind: Kind) {
        let of_outcome = match kind.outcome() {
            Outcome::Taken => &mut self.taken,
            Outcome::PassedOver => &mut self.passed_over,
            Outcome::Refused => &mut self.refused,
        };
        *of_outcome.entry(kind).or_default() += 1;
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.note(told.kind);
        if self.told.len() < TOLD_MAX {
            self.told.push(told);
        }
    }

    /// Undoes the count of a trade that turned out to be invalid.
    pub(super) fn take_back(&mut self, kind: Kind) {
        if let Some(count) = self.taken.get_mut(&kind) {
            *count = count.saturating_sub(1);
        }
        self.taken.retain(|_, count| *count > 0);
    }
}

/// One line, followed by the listed lines.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("taken", &self.taken),
            ("passed over", &self.passed_over),
            ("refused", &self.refused),
        ];
        write!(f, "{} lines", self.lines)?;
        for (name, counts) in parts.into_iter().filter(|(_, counts)| !counts.is_empty()) {
            write!(f, "; {name}")?;
            for (index, (kind, count)) in counts.iter().enumerate() {
                let comma = if index == 0 { " " } else { ", " };
                write!(f, "{comma}{count} {kind}")?;
            }
        }
        self.told.iter().try_for_each(|told| write!(f, "\n  {told}"))
    }
}
