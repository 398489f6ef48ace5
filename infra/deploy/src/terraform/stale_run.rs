//! Remains of killed runs: their locks, and resources that they created without saving.
//!
//! Each run has a folder for its output, which is deleted when the run ends by itself. The state is saved only every
//! 20 s, so the output since then is the only record of created resources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run_folder::{LOG, Moment, PROCESS, STDOUT};
use super::ui::{self, Line, Phase};

/// A process, identified so that a later one with its id isn't mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: u32,
    /// Its start, in the kernel's ticks since boot; `None` if the kernel doesn't tell.
    started: Option<u64>,
}

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, started: started(pid) }
    }

    pub(super) fn is_alive(self) -> bool {
        let there = i32::try_from(self.pid).is_ok_and(|pid| {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None)
                != Err(nix::errno::Errno::ESRCH)
        });
        there && started(self.pid) == self.started
    }
}

/// The start of a live process; a zombie counts as ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    (fields.next() != Some("Z")).then(|| fields.nth(18)?.parse().ok()).flatten()
}

/// Locks and resources that killed runs have left.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Ids of locks that were never released, according to the logs.
    pub(super) locks: Vec<String>,
    /// The times at which each of the runs may have taken a lock.
    pub(super) moments: Vec<Moment>,
    /// Created resources, with their ids.
    pub(super) made: BTreeMap<String, String>,
    /// Resources whose creation had begun.
    pub(super) uncertain: BTreeSet<String>,
    folders: Vec<PathBuf>,
}

impl Remains {
    /// Examines the folders of runs.
    pub(super) fn find(runs: &Path) -> Self {
        let mut remains = Self::default();
        let Ok(entries) = fs::read_dir(runs) else {
            return remains;
        };
        let mut folders: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_dir())
            .collect();
        // In the order of their start.
        folders.sort_by_key(|folder| {
            fs::metadata(folder.join(PROCESS)).and_then(|m| m.modified()).ok()
        });
        for folder in folders {
            let process = fs::read(folder.join(PROCESS)).ok();
            let process: Option<Process> =
                process.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            // Without this file the run is just being started.
            if process.is_some_and(|process| !process.is_alive()) {
                let text = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
                remains.locks.extend(held_lock(&text(LOG)));
                let said = text(STDOUT);
                remains.moments.extend(Moment::of(&folder, &said));
                remains.add(&said);
                remains.folders.push(folder);
            }
        }
        remains
    }

    fn add(&mut self, said: &str) {
        for line in said.lines() {
            let Some(Line::Event(event, id)) = ui::read(line) else { continue };
            let address = event.address;
            match (event.action.as_str(), event.phase) {
                ("create", Phase::Started) => drop(self.uncertain.insert(address)),
                ("create", Phase::Done) => {
                    self.uncertain.remove(&address);
                    self.made.extend(id.map(|id| (address, id)));
                }
                ("delete", Phase::Done) => drop(self.made.remove(&address)),
                _ => {}
            }
        }
    }

    /// Deletes the folders of runs whose remains were handled.
    pub(super) fn forget(&self) {
        for folder in &self.folders {
            // At worst they are handled once more, which changes nothing.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The lock in a log, unless the log has its release too.
pub(super) fn held_lock(log: &str) -> Option<String> {
    const ID: &str = "tf_backend.lock.id=";
    let mut held = None;
    for line in log.lines() {
        let id = || line.split_once(ID).and_then(|(_, rest)| rest.split(' ').next());
        if line.contains(": Locked remote state") {
            held = id().map(str::to_owned);
        } else if line.contains(": Unlocked remote state") {
            held = None;
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG_OF_A_RUN: &str = "\
2026-11-25T16:18:51.852Z [INFO]  backend-s3: Attempting to lock remote state (S3 Native only)...: tf_backend.lock.id=827d9614 tf_backend.lock.info=\"\"
2026-11-25T16:18:51.854Z [INFO]  backend-s3: Locked remote state (S3 Native only): tf_backend.lock.id=827d9614 tf_backend.lock.info=\"\"
";
    const ITS_END: &str = "\
2026-11-25T16:18:55.810Z [INFO]  backend-s3: Unlocked remote state (S3 Native only): tf_backend.lock.id=827d9614 tf_backend.operation=Unlock
";

    #[test]
    fn a_lock_is_held_until_its_end() {
        assert_eq!(held_lock(LOG_OF_A_RUN).as_deref(), Some("827d9614"));
        assert_eq!(held_lock(&format!("{LOG_OF_A_RUN}{ITS_END}")), None);
        assert_eq!(held_lock("nothing"), None);
    }

    fn line(kind: &str, action: &str, address: &str, id: &str) -> String {
        format!(
            r#"{{"type":"{kind}","hook":{{"resource":{{"addr":"{address}"}},"action":"{action}","id_value":"{id}","elapsed_seconds":1}}}}"#
        )
    }

    #[test]
    fn only_what_a_dead_process_said_is_left() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut dead = std::process::Command::new("true").spawn().expect("start");
        let ended = Process::of(dead.id());
        dead.wait().expect("wait");
        for (name, process) in [("ended", ended), ("running", Process::of(std::process::id()))] {
            let folder = runs.path().join(name);
            fs::create_dir(&folder).expect("create");
            let said = [
                line("apply_start", "create", &format!("{name}.a"), ""),
                line("apply_start", "create", &format!("{name}.b"), ""),
                line("apply_complete", "create", &format!("{name}.a"), "id-of-a"),
            ];
            fs::write(folder.join(STDOUT), said.join("\n")).expect("write");
            fs::write(folder.join(LOG), LOG_OF_A_RUN).expect("write");
            let process = serde_json::to_vec(&process).expect("it serialises");
            fs::write(folder.join(PROCESS), process).expect("write");
        }
        let remains = Remains::find(runs.path());
        assert_eq!(remains.locks, ["827d9614"]);
        assert_eq!(remains.made, [("ended.a".to_owned(), "id-of-a".to_owned())].into());
        assert_eq!(remains.uncertain, ["ended.b".to_owned()].into());
        remains.forget();
        assert!(runs.path().join("running").exists() && !runs.path().join("ended").exists());
    }
}
