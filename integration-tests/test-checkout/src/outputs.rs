//! The whole of what a command printed, as a snapshot.

use std::path::Path;

use crate::Ran;

/// Parts of an output that differ from run to run, and what stands for each. The rest is held to the letter.
pub const FILTERS: [(&str, &str); 8] = [
    // Folders and names of runs.
    (r"\b(e2e|chaos-[a-z-]+)-\d{8}-\d{6}-\d+", "$1-<run>"),
    // The line of a setting, which infra/tests/settings.rs holds.
    (r"twincloud\.toml:\d+", "twincloud.toml:<line>"),
    // Times and rates of this machine.
    (r" *\b\d+ ms\b", " <n> ms"),
    (r"\b\d+(\.\d+)? s\b", "<n> s"),
    (r"\b\d+ trades/s", "<n> trades/s"),
    (r"in \d+(\.\d+)?(ms|s): \d+ a minute", "in <n> s: <n> a minute"),
    // Ports of emulators and servers on this machine.
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"\bpid \d+", "pid <pid>"),
];

/// The command line, the exit code and both outputs; `folder` is written `<checkout>`.
#[must_use]
pub fn whole(line: &str, ran: &Ran, folder: &Path) -> String {
    let code = ran.code.map_or_else(|| "none: ended by a signal".to_owned(), |c| c.to_string());
    let Ran { stdout, stderr, .. } = ran;
    let text = format!(
        "$ cargo xtask {line}\nexit code: {code}\n----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}"
    );
    let text = match folder.canonicalize() {
        Ok(real) => text.replace(&*real.to_string_lossy(), "<checkout>"),
        Err(_) => text,
    };
    text.replace(&*folder.to_string_lossy(), "<checkout>")
}

/// Compares the whole output of a command with the snapshot of this name.
///
/// `INSTA_UPDATE=always` writes what was printed, for a person to read before it is committed. Further filters may follow.
#[macro_export]
macro_rules! assert_output {
    ($name:expr, $line:expr, $ran:expr, $folder:expr) => {
        $crate::assert_output!($name, $line, $ran, $folder, [])
    };
    ($name:expr, $line:expr, $ran:expr, $folder:expr, $filters:expr) => {{
        let more: &[(&str, &str)] = &$filters;
        let filters: Vec<(&str, &str)> =
            $crate::outputs::FILTERS.iter().chain(more).copied().collect();
        let text = $crate::outputs::whole($line, $ran, $folder);
        insta::with_settings!({ filters => filters, omit_expression => true }, {
            insta::assert_snapshot!($name, text);
        });
    }};
}
