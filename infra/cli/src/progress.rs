//! The progress of a command on standard error, so that standard output is the report alone.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what is going on; clones write to the same one.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Default for Progress {
    fn default() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed}] {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }
}

impl Progress {
    /// Shows the current action until the next one.
    pub fn now(&self, what: impl Into<String>) {
        let what = what.into();
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
        self.bar.set_message(what);
    }

    /// Something worth keeping on the screen.
    pub fn note(&self, what: impl AsRef<str>) {
        if self.bar.is_hidden() {
            eprintln!("{}", what.as_ref());
        } else {
            self.bar.println(what);
        }
    }

    /// Ends the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
