//! The commands in the documents, and the test that runs each.

use std::collections::BTreeSet;
use std::path::Path;

use crate::documents::{Block, Document};

/// The test that runs a command of the documents. Further words, where there are some, go behind those of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `integration-tests/sim/tests/documents.rs`, by the program `sim` or, of other commands than `cargo xtask`, in a run's folder.
    Sim(&'static [&'static str]),
    /// The same, by these words, as those of the document take too long.
    SimInstead(&'static [&'static str]),
    /// `xtask/tests/documents.rs`, by xtask itself.
    Xtask,
    /// None yet: it needs emulators, and these words as well.
    Emulators(&'static [&'static str]),
    /// None, for this reason.
    No(&'static str),
}

use Test::{Emulators, No, Sim, SimInstead, Xtask};

const ON_SIM: &[&str] = &["--target", "sim"];
const LOCAL: &[&str] = &["--target", "processes"];
const LOCAL_YES: &[&str] = &["--target", "processes", "--yes"];
const ACCOUNT: &str = "needs an account";
const SYSTEM: &str = "changes the system, as root";
const SUITE: &str =
    "runs the tests, of which this is one, or what is beside them in `cargo xtask ci`";

/// Every command in a block of the language `sh`, and every command whose output is shown.
pub const COMMANDS: &[(&str, Test)] = &[
    // The clouds' commands.
    ("cargo xtask plan aws", Emulators(LOCAL)),
    ("cargo xtask deploy gcp", Emulators(LOCAL_YES)),
    ("cargo xtask deploy aws", Emulators(LOCAL_YES)),
    ("cargo xtask deploy aws --code-only", Emulators(LOCAL_YES)),
    ("cargo xtask deploy all --target processes", Emulators(&["--yes"])),
    (
        "cargo xtask deploy foundation",
        No("needs Terraform's provider; on_emulators/deploy/foundation.rs runs it"),
    ),
    ("cargo xtask status", Emulators(LOCAL)),
    ("cargo xtask drift", Emulators(LOCAL)),
    ("cargo xtask destroy all", Emulators(LOCAL_YES)),
    ("cargo xtask up --enforce-policies", Emulators(&[])),
    ("cargo xtask render --env dev", Emulators(&[])),
    ("cargo xtask produce --source binance", No("follows Binance's stream until Ctrl-C")),
    ("cargo xtask sync status", Emulators(LOCAL)),
    ("cargo xtask sync stop", Emulators(LOCAL)),
    ("cargo xtask failover --to gcp", Emulators(LOCAL)),
    ("cargo xtask restore aws --from gcp", Emulators(LOCAL)),
    ("cargo xtask dlq list aws", Emulators(LOCAL)),
    // Runs.
    ("cargo xtask e2e", Emulators(&[])),
    ("cargo xtask e2e --target sim", Sim(&[])),
    ("cargo xtask e2e --trades generate:20000:7 --poison 3", Emulators(LOCAL)),
    ("cargo xtask e2e --trades recording.jsonl.gz", Sim(ON_SIM)),
    ("cargo xtask e2e --trades BTCUSDT-trades-2024-08-08.zip", Sim(ON_SIM)),
    ("cargo xtask e2e --poison 10", Sim(ON_SIM)),
    ("cargo xtask e2e --kill-functions 3", Sim(ON_SIM)),
    ("cargo xtask e2e --rate 2000", Sim(ON_SIM)),
    ("cargo xtask e2e --set route.policy=primary-by-hand", Sim(ON_SIM)),
    ("cargo xtask e2e --keep", No("goes on until Ctrl-C")),
    ("cargo xtask verify .", Sim(&[])),
    ("cargo xtask chaos --list", Sim(&[])),
    ("cargo xtask chaos --kill aws", Emulators(&[])),
    (
        "cargo xtask chaos --kill aws --target containers",
        No("needs Docker; on_emulators/containers/runs.rs runs it"),
    ),
    ("cargo xtask chaos --scenario partition --seed 7", Emulators(&[])),
    (
        "cargo xtask chaos --all --junit chaos.xml --summary summary.md",
        No("takes ten minutes; on_emulators/chaos.rs runs several scenarios with both files"),
    ),
    (
        "cargo xtask chaos --target sim --schedules 1000",
        SimInstead(&["chaos", "--target", "sim", "--schedules", "5"]),
    ),
    ("cargo xtask chaos --kill aws --target cloud --env dev --dry-run", No(ACCOUNT)),
    ("cargo xtask chaos --kill aws --target cloud --env dev", No(ACCOUNT)),
    ("cargo xtask chaos heal --env dev", No(ACCOUNT)),
    ("cargo xtask chaos --kill aws --target up", Emulators(&["--yes"])),
    // The files of a run.
    ("cd target/runs/latest", Sim(&[])),
    ("sha256sum candles-aws.jsonl candles-gcp.jsonl", Sim(&[])),
    ("cmp candles-aws.csv candles-expected.csv", Sim(&[])),
    ("cmp candles-gcp.csv candles-expected.csv", Sim(&[])),
    ("wc -l trades.jsonl", Sim(&[])),
    ("cat dead-letters-gcp.jsonl", Sim(&[])),
    ("diff -r archive/aws archive/gcp", Sim(&[])),
    (r#"grep -m1 "spooled" history.jsonl"#, Sim(&[])),
    (r#"grep "accepted".*"sequence":1, history.jsonl"#, Sim(&[])),
    // Checks and measurements.
    ("cargo xtask doctor", Xtask),
    ("cargo xtask lint", No(SUITE)),
    ("cargo xtask terraform", No(SUITE)),
    ("cargo xtask test", No(SUITE)),
    ("cargo xtask test -- hostile", No(SUITE)),
    ("cargo xtask test --changed", No(SUITE)),
    ("cargo xtask fuzz --seconds 60", No(SUITE)),
    ("cargo xtask ci", No(SUITE)),
    ("cargo xtask bench fold", No("takes minutes, and measures nothing beside other tests")),
    ("cargo xtask bench cold-start", No("takes minutes, and measures nothing beside other tests")),
    ("cargo xtask bench proxy", No("takes minutes, and measures nothing beside other tests")),
    ("cargo xtask bench stack", No("takes minutes, and measures nothing beside other tests")),
    (
        "cargo bench -p candle --bench fold",
        No("takes minutes, and measures nothing beside other tests"),
    ),
    ("cargo test -p candle", No(SUITE)),
    ("mkdir -p corpus/message", No("is a part of the next command")),
    (
        "cargo +nightly fuzz run message corpus/message seeds/message -- -max_total_time=30",
        No("needs a nightly compiler; `cargo xtask fuzz` runs it"),
    ),
    ("terraform fmt -check -recursive", No("`cargo xtask terraform` runs it")),
    ("terraform init -backend=false", No("`cargo xtask terraform` runs it")),
    ("terraform validate", No("`cargo xtask terraform` runs it")),
    ("terraform test", No("`cargo xtask terraform` runs it")),
    // Other people's programs.
    (
        "docker run --rm -it -v ${PWD}:/src -v twincloud:/cache $(docker build -q .devcontainer)",
        No("makes an image from Docker Hub; the workflow ci.yml does"),
    ),
    (
        "git clone --branch v1.2.3 https://github.com/OWNER/twincloud",
        No("needs a release on GitHub"),
    ),
    ("cd twincloud", No("is a part of the command before")),
    (
        "gh attestation verify SHA256SUMS --repo OWNER/NAME --source-digest COMMIT --signer-workflow \
         OWNER/NAME/.github/workflows/release.yml",
        No("needs a release on GitHub"),
    ),
    ("sudo apt install build-essential python3 python3-venv", No(SYSTEM)),
    ("sudo dnf install gcc glibc-static python3", No(SYSTEM)),
    ("sudo zypper install gcc glibc-devel-static python313", No(SYSTEM)),
    (
        "install -m 0755 target/artifacts/host/producer/producer /usr/local/bin/twincloud-producer",
        No(SYSTEM),
    ),
    (
        "install -D -m 0644 outputs/rendered/prod/producer.env /etc/twincloud/producer.env",
        No(SYSTEM),
    ),
    ("install -m 0644 infra/producer/twincloud-producer.service /etc/systemd/system/", No(SYSTEM)),
    ("systemctl daemon-reload", No(SYSTEM)),
    ("systemctl enable --now twincloud-producer", No(SYSTEM)),
    (
        "docker run --detach --restart always --name producer --env-file producer.env --read-only --cap-drop ALL --volume \
         producer-spool:/spool --publish 127.0.0.1:8080:8080 HOST/PATH/producer@sha256:DIGEST",
        No("needs Docker and a pushed image"),
    ),
    (
        "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project=PROJECT",
        No(ACCOUNT),
    ),
    (
        "gcloud storage buckets create gs://STATE_BUCKET --project=PROJECT --location=REGION --uniform-bucket-level-access \
         --public-access-prevention",
        No(ACCOUNT),
    ),
    ("gcloud storage buckets update gs://STATE_BUCKET --versioning", No(ACCOUNT)),
    ("terraform init -backend-config=../outputs/rendered/dev/gcp.gcs.tfbackend", No(ACCOUNT)),
    (
        "terraform init -lockfile=readonly -backend-config=../outputs/rendered/dev/aws.s3.tfbackend",
        No(ACCOUNT),
    ),
    (
        "terraform plan -out=plan -var-file=../outputs/rendered/dev/terraform-gcp/terraform.tfvars.json",
        No(ACCOUNT),
    ),
    (
        "terraform plan -out=plan -var-file=../outputs/rendered/dev/terraform/terraform.tfvars.json",
        No(ACCOUNT),
    ),
    ("terraform apply plan", No(ACCOUNT)),
];

/// The pages whose commands with an SDK are given one after the other, on clouds of their own.
pub const WALKS: [(&str, &[&str]); 5] = [
    ("runs", &["README.md", "docs/runs.md", "docs/chaos.md"]),
    ("rendered files", &["terraform/README.md", "terraform-gcp/README.md"]),
    ("deploys", &["docs/deploy.md"]),
    ("operation", &["docs/operate.md"]),
    ("game days", &["docs/game-days.md"]),
];

/// The pages of a walk.
#[must_use]
pub fn pages(walk: &str) -> &'static [&'static str] {
    let found = WALKS.iter().find(|(name, _)| *name == walk);
    found.unwrap_or_else(|| panic!("there is no walk {walk}")).1
}

/// The test of a command; none: [`COMMANDS`] lacks it.
#[must_use]
pub fn test_of(command: &str) -> Option<Test> {
    COMMANDS.iter().find(|(listed, _)| *listed == command).map(|(_, test)| *test)
}

/// A command of a document, and the blocks that show its output.
pub struct Documented {
    /// The file and the line.
    pub place: String,
    /// The line of its block.
    pub block: usize,
    /// Its words.
    pub words: Vec<String>,
    /// The blocks with its output, wherever they are in the documents that were asked for.
    pub outputs: Vec<Block>,
}

impl Documented {
    /// The words in one line, as [`COMMANDS`] has them.
    #[must_use]
    pub fn line(&self) -> String {
        self.words.join(" ")
    }

    /// Panics where a block shows what the command has not printed.
    #[track_caller]
    pub fn assert_shown(&self, printed: &str) {
        for block in &self.outputs {
            if let Err(line) = shows(&block.text, printed) {
                panic!("{}: `{}` did not print\n{line}\nbut\n{printed}", self.place, self.line());
            }
        }
    }
}

/// Each command of these documents once, in the order in which a reader meets them.
#[must_use]
pub fn commands(documents: &[&Document]) -> Vec<Documented> {
    let mut commands: Vec<Documented> = Vec::new();
    let mut known = BTreeSet::new();
    for document in documents {
        for block in document.blocks() {
            let found: Vec<_> = match block.output_of() {
                Some(command) => {
                    let words = command.split(' ').map(str::to_owned).collect();
                    vec![(block.line, words)]
                }
                None if block.language() == "sh" => {
                    let lines = block.lines().into_iter();
                    lines
                        .flat_map(|line| {
                            line.commands.into_iter().map(move |words| (line.number, words))
                        })
                        .collect()
                }
                None => Vec::new(),
            };
            for (line, words) in found {
                if known.insert(words.join(" ")) {
                    let place = format!("{}:{line}", document.path.display());
                    let (block, outputs) = (block.line, Vec::new());
                    commands.push(Documented { place, block, words, outputs });
                }
            }
            if let Some(shown) = block.output_of().map(str::to_owned) {
                let of = commands.iter_mut().find(|command| command.line() == shown);
                of.expect("it is there").outputs.push(block);
            }
        }
    }
    commands
}

/// The documents at these paths.
#[must_use]
pub fn at<'d>(documents: &'d [Document], paths: &[&str]) -> Vec<&'d Document> {
    let at = |path: &&str| {
        let found = documents.iter().find(|document| document.path == Path::new(path));
        found.unwrap_or_else(|| panic!("there is no {path}"))
    };
    paths.iter().map(at).collect()
}

/// Parts of an output that another machine or another day changes, and what stands for each.
const FILTERS: [(&str, &str); 6] = [
    (r"(?m)^files .*$", "files FOLDER"),
    (r"\d+ ms", "N ms"),
    (r"\d+ trades/s", "N trades/s"),
    (r"\d+ calls", "N calls"),
    (r"(?m)^copied +\d+ trades", "copied N trades"),
    (r"\d+ times in all", "N times in all"),
];

fn filtered(text: &str) -> String {
    FILTERS.iter().fold(text.to_owned(), |text, (pattern, with)| {
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, *with).into_owned()
    })
}

/// Compares a block with an output: its lines must be there, in their order; a block may leave lines out.
///
/// # Errors
/// The first line that is not there.
pub fn shows(block: &str, printed: &str) -> Result<(), String> {
    let printed = filtered(printed);
    let mut lines = printed.lines();
    for shown in filtered(block).lines() {
        if !lines.any(|line| line.trim_end() == shown.trim_end()) {
            return Err(shown.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_block_shows_an_output_in_its_order_and_may_leave_lines_out() {
        let printed = "note one\ntook 12 ms\nfiles /a/b\nverdict holds\n";
        assert_eq!(shows("took 99 ms\nverdict holds\n", printed), Ok(()));
        assert_eq!(shows("files <checkout>\n", printed), Ok(()));
        assert_eq!(shows("verdict holds\nnote one\n", printed), Err("note one".to_owned()));
        assert_eq!(shows("verdict broken\n", printed), Err("verdict broken".to_owned()));
    }

    #[test]
    fn a_command_is_listed_once_with_all_that_shows_its_output() {
        let text =
            "```text output-of=\"a b\"\nx\n```\n```sh\na b # c\nd && a b\n```\n```\na e\n```\n";
        let page = Document { path: PathBuf::from("page.md"), text: text.to_owned() };
        let commands = commands(&[&page]);
        let lines: Vec<_> = commands.iter().map(|c| (c.line(), c.outputs.len())).collect();
        assert_eq!(lines, [("a b".to_owned(), 1), ("d".to_owned(), 0)]);
        assert_eq!(commands[1].place, "page.md:6");
    }
}
