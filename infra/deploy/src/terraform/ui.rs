//! Parses the program's JSON output, line by line.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An event of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its address.
    pub address: String,
    /// The action: `create`, `update`, `delete`.
    pub action: String,
    /// The phase of the action.
    pub phase: Phase,
    /// The time since its start, in whole seconds.
    pub seconds: u64,
}

/// The phase of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Started.
    Started,
    /// In progress.
    Running,
    /// Completed.
    Done,
    /// Failed.
    Failed,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, action, seconds, .. } = self;
        match self.phase {
            Phase::Started => write!(f, "{action:<6} {address}: started"),
            Phase::Running => write!(f, "{action:<6} {address}: {seconds} s so far"),
            Phase::Done => write!(f, "{action:<6} {address}: done, {seconds} s"),
            Phase::Failed => write!(f, "{action:<6} {address}: FAILED after {seconds} s"),
        }
    }
}

/// A relevant line of the output.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// An event of a resource; with its id once the action is completed.
    Event(Event, Option<String>),
    /// Waiting for the state's lock.
    WaitingForLock,
    /// An error.
    Error(Diagnostic),
}

/// An error or a warning.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Diagnostic {
    severity: String,
    pub(super) summary: String,
    #[serde(default)]
    pub(super) detail: String,
    /// The resource that it is about.
    pub(super) address: Option<String>,
    range: Option<Range>,
}

#[derive(Clone, Debug, Deserialize)]
struct Range {
    filename: String,
    start: Position,
}

#[derive(Clone, Debug, Deserialize)]
struct Position {
    line: u32,
}

impl Diagnostic {
    /// Parses a diagnostic printed as text.
    pub(super) fn from_text(text: &str) -> Self {
        let lines = text.lines().map(|line| line.trim_matches(['╷', '│', '╵', ' ']));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let first = lines.iter().position(|line| line.starts_with("Error: ")).unwrap_or(0);
        let mut lines = lines.into_iter().skip(first);
        let summary = lines.next().unwrap_or("it gave no reason");
        Self {
            severity: "error".to_owned(),
            summary: summary.trim_start_matches("Error: ").to_owned(),
            detail: lines.collect::<Vec<_>>().join(" "),
            address: None,
            range: None,
        }
    }

    /// The resource, or else the line of a file.
    pub(super) fn place(&self) -> Option<String> {
        let line = |range: &Range| format!("{}:{}", range.filename, range.start.line);
        self.address.clone().or_else(|| self.range.as_ref().map(line))
    }
}

#[derive(Deserialize)]
struct Raw {
    r#type: String,
    hook: Option<Hook>,
    diagnostic: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Hook {
    resource: Resource,
    action: Option<String>,
    id_value: Option<String>,
    #[serde(default)]
    elapsed_seconds: u64,
}

#[derive(Deserialize)]
struct Resource {
    addr: String,
}

/// Parses a line; `None` if it isn't relevant.
pub(super) fn read(line: &str) -> Option<Line> {
    let raw: Raw = serde_json::from_str(line).ok()?;
    let phase = match raw.r#type.as_str() {
        "apply_start" => Phase::Started,
        "apply_progress" => Phase::Running,
        "apply_complete" => Phase::Done,
        "apply_errored" => Phase::Failed,
        "state_lock_acquire" => return Some(Line::WaitingForLock),
        "diagnostic" => {
            let error = raw.diagnostic.filter(|diagnostic| diagnostic.severity == "error");
            return error.map(Line::Error);
        }
        _ => return None,
    };
    let hook = raw.hook?;
    // Planning reads data sources, which changes nothing.
    if hook.action.as_deref() == Some("read") {
        return None;
    }
    let event = Event {
        address: hook.resource.addr,
        action: hook.action.unwrap_or_else(|| "change".to_owned()),
        phase,
        seconds: hook.elapsed_seconds,
    };
    Some(Line::Event(event, hook.id_value))
}

/// All errors in the output.
pub(super) fn errors(text: &str) -> Vec<Diagnostic> {
    let errors = text.lines().filter_map(|line| match read(line)? {
        // A consequence of being stopped, or of another error.
        Line::Error(error) if error.summary == "execution halted" => None,
        Line::Error(error) => Some(error),
        _ => None,
    });
    errors.collect()
}
