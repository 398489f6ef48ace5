//! Terraform's side: a root of the stack's resources, made and destroyed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use deploy::terraform::Terraform as Program;
use serde_json::Value;

use crate::processes::supervised::{Exit, GuardProgram, Spec, Supervised};

use super::{COMMAND_LIMIT, with_our_variables};

/// The same resources as in `infra/aws/stack.yaml`; `same.rs` holds that they are.
pub(super) const CONFIGURATION: &str = include_str!("../../benches/stack/main.tf");
/// Number of the slowest resources in the report.
const SLOWEST: usize = 3;

pub(super) struct Terraform {
    program: Program,
    folder: PathBuf,
    root: PathBuf,
    endpoint: String,
}

/// Result of an apply.
pub(super) struct Applied {
    pub(super) took: Duration,
    pub(super) resources: usize,
    /// Those that took longest, as it says it itself: whole seconds.
    pub(super) slowest: Vec<(String, u64)>,
}

impl Terraform {
    pub(super) fn prepare(
        program: Program,
        folder: &Path,
        endpoint: &str,
        values: &Value,
    ) -> anyhow::Result<Self> {
        let root = folder.join("terraform-bench");
        let written = fs::create_dir_all(&root)
            .and_then(|()| fs::write(root.join("main.tf"), CONFIGURATION))
            .and_then(|()| fs::write(root.join("terraform.tfvars.json"), values.to_string()));
        written.with_context(|| format!("write the root {}", root.display()))?;
        Ok(Self { program, folder: folder.to_owned(), root, endpoint: endpoint.to_owned() })
    }

    /// From nothing: neither providers nor state of the round before.
    pub(super) async fn init(&self) -> anyhow::Result<Duration> {
        for left in [".terraform", ".terraform.lock.hcl", "terraform.tfstate"] {
            let path = self.root.join(left);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", path.display()));
                }
                _ => {}
            }
        }
        let mut words = vec!["init".to_owned()];
        if let Some(mirror) = &self.program.plugin_dir {
            words.push(format!("-plugin-dir={}", mirror.display()));
        }
        Ok(self.run("init", &words).await?.0)
    }

    pub(super) async fn apply(&self) -> anyhow::Result<Applied> {
        let words = ["apply", "-auto-approve"].map(str::to_owned);
        let (took, said) = self.run("apply", &words).await?;
        let mut slowest: Vec<_> = said.lines().filter_map(created).collect();
        let resources = slowest.len();
        ensure!(resources > 0, "terraform says of no resource that it made it:\n{said}");
        slowest.sort_by(|(_, one), (_, other)| other.cmp(one));
        slowest.truncate(SLOWEST);
        Ok(Applied { took, resources, slowest })
    }

    pub(super) async fn destroy(&self) -> anyhow::Result<()> {
        let words = ["destroy", "-auto-approve"].map(str::to_owned);
        self.run("destroy", &words).await.map(drop)
    }

    /// Below a guard: killed with us, it isn't left to call an emulator that is gone.
    async fn run(&self, name: &str, words: &[String]) -> anyhow::Result<(Duration, String)> {
        let mut spec = Spec::new(format!("terraform-{name}"), &self.program.program, &self.folder);
        spec = spec.args([format!("-chdir={}", self.root.display())]).args(words);
        spec = spec.args(["-input=false", "-no-color"]);
        // Its own configuration and the network's are of use; what changes its words, or names an account, is not.
        spec = with_our_variables(spec, |name| {
            name == "TF_CLI_CONFIG_FILE" || !(name.starts_with("TF_") || name.starts_with("AWS_"))
        });
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ENDPOINT_URL_S3", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("CHECKPOINT_DISABLE", "1"),
            ("TF_IN_AUTOMATION", "1"),
        ] {
            spec = spec.env(name, value);
        }
        let log = spec.log_path();
        match fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", log.display()));
            }
            _ => {}
        }
        let begun = Instant::now();
        let mut process = Supervised::spawn(&GuardProgram::own(), spec).await?;
        let exit = tokio::time::timeout(COMMAND_LIMIT, process.wait()).await;
        let took = begun.elapsed();
        let exit = exit.with_context(|| format!("wait for terraform {name}"))?;
        if exit != Exit::Code(0) {
            return Err(process.ended().into());
        }
        let text = fs::read_to_string(&log);
        Ok((took, text.with_context(|| format!("read {}", log.display()))?))
    }
}

/// `ADDRESS: Creation complete after 1m2s [id=…]`
fn created(line: &str) -> Option<(String, u64)> {
    let (address, rest) = line.split_once(": Creation complete after ")?;
    let (time, _) = rest.split_once(' ')?;
    let (minutes, seconds) = time.split_once('m').unwrap_or(("0", time));
    let seconds: u64 = seconds.strip_suffix('s')?.parse().ok()?;
    Some((address.to_owned(), minutes.parse::<u64>().ok()? * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::created;

    #[test]
    fn what_terraform_says_it_made_is_read() {
        let line =
            |time: &str| format!("aws_sqs_queue.queue: Creation complete after {time} [id=x]");
        let queue = |seconds| Some(("aws_sqs_queue.queue".to_owned(), seconds));
        assert_eq!(created(&line("25s")), queue(25));
        assert_eq!(created(&line("1m2s")), queue(62));
        assert_eq!(created("aws_sqs_queue.queue: Still creating... [10s elapsed]"), None);
    }
}
