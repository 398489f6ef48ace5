//! The pipeline's resources on AWS's emulator, made by `deploy aws` and by Terraform, in turns and in one run.
//!
//! `deploy aws` is the very command, with all that it does besides. Terraform is given the best case: a root of these
//! resources alone, the code in its bucket already, and neither a plan to show nor a state elsewhere.

mod report;
#[cfg(test)]
mod same;
mod terraform;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use deploy::artifact::{create_bucket, upload_artifact};
use deploy::aws::{account, aws_config, emulator_credentials};
use deploy::local::LocalClouds;
use deploy::terraform::{Error as TerraformError, Terraform as Program};
use infra::Settings;
use infra::files::ResolvedOutputs;
use infra::names;
use infra::package::Manifest;
use infra::render::{Code, stack_parameters, tags};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::processes::supervised::{GuardProgram, Spec, Supervised};
use crate::processes::tools;
use crate::run::{Checkout, until_interrupted};
use cli::Failure;
use cli::Progress;

use report::{Report, Round};
use terraform::Terraform;

/// What to measure, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Rounds that count; one before them warms everything up.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Timeout for the emulators' start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Timeout of one command.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(50);
const NO_INIT: &str = "get the provider hashicorp/aws; where no registry can be asked, `TWINCLOUD_TERRAFORM__PLUGIN_DIR` \
                       names a mirror of providers";

/// Measures and prints.
pub fn run(args: &Args, checkout: &Checkout) -> Result<(), Failure> {
    if args.rounds == 0 {
        return Err(Failure::Usage(anyhow!("--rounds 0 measures nothing")));
    }
    let settings = checkout.settings(&[]).map_err(Failure::usage)?;
    let progress = Progress::default();
    // Fetches missing tools with visible progress.
    tools(&progress).map_err(Failure::MissingPrerequisite)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let measured = measure(args, checkout, &settings, &progress);
    let report = runtime.block_on(until_interrupted(measured))?;
    progress.finish();
    if args.json {
        let text = serde_json::to_string_pretty(&report).context("write the report")?;
        println!("{text}");
    } else {
        print!("{report}");
    }
    Ok(())
}

async fn measure(
    args: &Args,
    checkout: &Checkout,
    settings: &Settings,
    progress: &Progress,
) -> Result<Report, Failure> {
    let program = Program::find(settings).await.map_err(lacking)?;
    let version = program.version.clone();
    progress.now("starting the local clouds");
    let clouds = Clouds::start(checkout).await?;
    let values = clouds.values(checkout, settings).await?;
    let terraform = Terraform::prepare(program, clouds.folder.path(), &clouds.aws, &values)?;
    let mut rounds = Vec::new();
    for number in 0..=args.rounds {
        let name = if number == 0 { "to warm up".to_owned() } else { number.to_string() };
        progress.now(format!("round {name}: deploy aws"));
        let (created, deploy) = clouds.deploy(settings).await?;
        clouds.destroy().await?;
        progress.now(format!("round {name}: terraform, which takes a minute or so"));
        let init = terraform
            .init()
            .await
            .map_err(|error| Failure::MissingPrerequisite(error.context(NO_INIT)))?;
        let apply = terraform.apply().await?;
        let round = Round::of(created, deploy, init, apply.took, apply.slowest);
        progress.note(format!("round {name}: {round}"));
        terraform.destroy().await?;
        rounds.push((round, apply.resources));
    }
    // Only what was warm counts.
    let (first, resources) = rounds.remove(0);
    let warm = rounds.into_iter().map(|(round, _)| round).collect();
    Ok(Report::of(version, resources, first, warm))
}

fn lacking(error: TerraformError) -> Failure {
    Failure::MissingPrerequisite(error.into())
}

/// Hands those of our own variables on whose names are `wanted`.
fn with_our_variables(spec: Spec, wanted: impl Fn(&str) -> bool) -> Spec {
    let ours =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours = ours.filter(|(name, _)| wanted(name));
    ours.fold(spec, |spec, (name, value)| spec.env(name, value))
}

/// Local clouds as `up` makes them, in a checkout of their own, which end with us.
struct Clouds {
    folder: tempfile::TempDir,
    artifacts: PathBuf,
    harness: PathBuf,
    aws: String,
    _serve: Supervised,
}

impl Clouds {
    async fn start(checkout: &Checkout) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("create a folder for the local clouds")?;
        let root = folder.path();
        let settings = checkout.root.join(infra::settings::FILE);
        fs::copy(&settings, root.join(infra::settings::FILE))
            .with_context(|| format!("copy {}", settings.display()))?;
        fs::create_dir_all(LocalClouds::folder(root)).context("create their folder")?;
        let harness = std::env::current_exe().context("find this program")?;
        // It is this very program, and finds what this one finds.
        let spec = Spec::new("serve", &harness, root).args([deploy::local::HOLDER]);
        let spec = with_our_variables(spec, |_| true).env("TWINCLOUD_ROOT", root);
        let mut serve = Supervised::spawn(&GuardProgram::own(), spec).await?;
        let begun = Instant::now();
        let clouds = loop {
            match LocalClouds::find(root) {
                Ok(clouds) => break clouds,
                Err(_) if serve.exited().is_none() && begun.elapsed() < START_LIMIT => {
                    tokio::time::sleep(POLL).await;
                }
                Err(_) => {
                    let _ = serve.stop().await;
                    return Err(anyhow!(serve.ended()).context("start the local clouds"));
                }
            }
        };
        let artifacts = checkout.artifacts.clone();
        Ok(Self { folder, artifacts, harness, aws: clouds.aws_endpoint, _serve: serve })
    }

    /// Terraform's variables: the stack's parameters, but for the bucket of the code, which is one that stays.
    async fn values(&self, checkout: &Checkout, settings: &Settings) -> Result<Value, Failure> {
        let config =
            aws_config(Some(&self.aws), &settings.aws.region, Some(emulator_credentials())).await;
        let account = account(&config).await.context("ask the emulator for its account")?;
        let bucket = format!("{}-bench", names::aws_artifact_bucket(settings, &account));
        let manifest = Manifest::read(&checkout.artifacts);
        let manifest = manifest.map_err(|error| Failure::MissingPrerequisite(error.into()))?;
        create_bucket(&config, &bucket).await.context("create a bucket for code")?;
        let mut objects = Vec::new();
        for name in ["aws-ingest", "aws-replicate"] {
            let artifact = manifest.artifact(name);
            let artifact = artifact.with_context(|| format!("find {name} in the manifest"))?;
            let object = upload_artifact(&config, &bucket, &checkout.artifacts, artifact).await;
            objects.push(object.context("upload the functions' code")?);
        }
        let [ingest, replicate] = <[_; 2]>::try_from(objects)
            .map_err(|_| anyhow!("the functions are not two, as the stack has them"))?;
        let code = Code { bucket, ingest, replicate: Some(replicate) };
        let known = ResolvedOutputs {
            aws_endpoint: Some(self.aws.clone()),
            aws_account: Some(account),
            ..ResolvedOutputs::default()
        };
        Ok(json!({
            "name": names::stack(settings),
            "region": settings.aws.region,
            "tags": tags(settings),
            "stack": stack_parameters(settings, &code, &known),
        }))
    }

    /// Deploys; the times until the pipeline's stack was made, and until the command was over.
    async fn deploy(&self, settings: &Settings) -> anyhow::Result<(Duration, Duration)> {
        let stack = names::stack(settings);
        let own = format!(" {stack} (AWS::CloudFormation::Stack)");
        let begun = Instant::now();
        let mut created = None;
        self.command(&["deploy", "aws", "--yes"], |line| {
            if line.starts_with("CREATE_COMPLETE") && line.ends_with(&own) {
                created = Some(begun.elapsed());
            }
        })
        .await?;
        let took = begun.elapsed();
        let created = created.with_context(|| format!("see {stack} become CREATE_COMPLETE"))?;
        Ok((created, took))
    }

    async fn destroy(&self) -> anyhow::Result<()> {
        self.command(&["destroy", "aws", "--yes"], |_| ()).await
    }

    /// A command as `cargo xtask` runs it. It can do nothing once the clouds have ended, so it needs no guard.
    async fn command(&self, words: &[&str], mut on_line: impl FnMut(&str)) -> anyhow::Result<()> {
        let shown = words.join(" ");
        let mut command = Command::new(self.harness.with_file_name("deploy"));
        command.args(words).args(["--target", "processes"]).current_dir(self.folder.path());
        command.env("TWINCLOUD_ROOT", self.folder.path());
        command.env("TWINCLOUD_ARTIFACTS", &self.artifacts).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {shown}"))?;
        let stderr = child.stderr.take().context("open the pipe of what it says")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        let ended = tokio::time::timeout(COMMAND_LIMIT, async {
            while let Some(line) = lines.next_line().await? {
                on_line(&line);
                said.push(line);
            }
            child.wait().await
        });
        let ended = ended.await.with_context(|| format!("wait for {shown}"))?;
        let status = ended.with_context(|| format!("follow {shown}"))?;
        ensure!(status.success(), "{shown} failed ({status}):\n{}", said.join("\n"));
        Ok(())
    }
}
