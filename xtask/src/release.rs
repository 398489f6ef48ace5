//! Programs of the release that this checkout is, used instead of compiling them; each use is reported in one line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use toolbox::release::{self, Attested, Checkout, Release, TARGETS, VARIABLE};
use toolbox::{Cache, Env};

/// The program of simulated clouds.
pub(crate) const SIM: [&str; 1] = ["sim"];
/// The programs that do the work of commands, and the one that two of them start.
pub(crate) const TOOLS: [&str; 4] = ["deploy", "harness", "operate", "producer"];
/// The programs that are packed and deployed.
pub(crate) const FUNCTIONS: [&str; 5] =
    ["aws-ingest", "aws-replicate", "gcp-ingest", "gcp-replicate", "producer"];

/// The knowledge of this process about releases.
struct Known {
    /// The result of examining the checkout; `None`: not examined yet.
    checkout: Option<Checkout>,
    /// The folder of each set of programs, by target and names; `None`: they are compiled.
    taken: BTreeMap<(String, Vec<String>), Option<PathBuf>>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known { checkout: None, taken: BTreeMap::new() });

/// Makes all later programs be compiled: for commands that check this checkout's own code.
pub(crate) fn compile_everything() {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).checkout = Some(Checkout::NoRelease);
}

/// The folder of these programs of the release for this target; `None`: they must be compiled. `target` is only called if the
/// checkout is a release.
pub(crate) fn take(names: &[&str], target: impl FnOnce() -> Option<String>) -> Option<PathBuf> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let env = Env::from_process();
    let is_first = known.checkout.is_none();
    let root = crate::workspace::root();
    let checkout = known.checkout.get_or_insert_with(|| release::of_checkout(&env, &root));
    if let Checkout::Changed { tag, example } = &*checkout
        && is_first
    {
        eprintln!(
            "note: this is release {tag} with changes, such as in {example}, so it is compiled"
        );
    }
    let Checkout::Unchanged(release) = checkout.clone() else { return None };
    let target = target().filter(|target| TARGETS.contains(&target.as_str()))?;
    let key = (target.clone(), names.iter().map(|name| (*name).to_owned()).collect());
    let taken = known.taken.entry(key);
    taken.or_insert_with(|| take_of(&release, &env, &target, names)).clone()
}

fn take_of(release: &Release, env: &Env, target: &str, names: &[&str]) -> Option<PathBuf> {
    let all = names.join(", ");
    let is_tool = |name: &str| (SIM.contains(&name) || TOOLS.contains(&name)) && name != "producer";
    let taken = Cache::locate(env).map_err(Into::into).and_then(|cache| {
        let progress = |step: &str| eprintln!("{step}");
        release.take(env, &cache, target, names, is_tool, progress)
    });
    match taken {
        Ok(taken) => {
            let attested = match taken.attested {
                Attested::Yes => "which GitHub attests".to_owned(),
                Attested::NotAsked(why) => format!("whose attestation was not looked at: {why}"),
            };
            eprintln!(
                "taken, not compiled: {all} of release {} from {}, by the hashes in its SHA256SUMS, {attested} \
                 ({VARIABLE}=off compiles)",
                release.tag, taken.from
            );
            Some(taken.folder)
        }
        Err(error) => {
            eprintln!(
                "note: {all} of release {} can't be taken, so it is compiled ({VARIABLE}=off does not ask): {error}",
                release.tag
            );
            None
        }
    }
}
