//! `cargo xtask plan`, `deploy`, `destroy`, `outputs`, `status` and `drift`.

use std::fmt;

use clap::{Args, ValueEnum};

/// Which environment, with which settings, and where.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The environment, of those in twincloud.toml [default: its project.environment; on emulators: local].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// Change a setting of twincloud.toml for this call; several by repeating.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,

    /// The account and the project that the credentials are for, or the emulators that `up` started.
    #[arg(long, value_enum, default_value_t = DeployTarget::Cloud)]
    pub target: DeployTarget,
}

/// Where to deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeployTarget {
    /// The account and the project that the credentials are for.
    Cloud,
    /// The emulators that `cargo xtask up` started.
    Processes,
}

impl fmt::Display for DeployTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cloud => "cloud",
            Self::Processes => "processes",
        })
    }
}

/// What to deploy, or to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The pipeline on AWS: the stacks bootstrap.yaml and stack.yaml.
    Aws,
    /// Everything on Google Cloud: terraform-gcp/.
    Gcp,
    /// What an AWS account has once, and who may get in: terraform/. An administrator applies it.
    Foundation,
    /// `aws` and `gcp`.
    All,
}

impl Part {
    /// The single parts, in the order in which they are deployed.
    #[must_use]
    pub fn parts(self) -> &'static [Self] {
        match self {
            Self::Aws => &[Self::Aws],
            Self::Gcp => &[Self::Gcp],
            Self::Foundation => &[Self::Foundation],
            Self::All => &[Self::Aws, Self::Gcp],
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Foundation => "foundation",
            Self::All => "all",
        })
    }
}

/// Says what a deploy would change, and changes nothing.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// What to plan.
    #[arg(value_enum)]
    pub part: Part,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Deploys, and ends with a smoke test through the deployed queue.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
pub struct Deploy {
    /// What to deploy.
    #[arg(value_enum)]
    pub part: Part,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Show the plan and stop there.
    #[arg(long)]
    pub dry_run: bool,

    /// Don't ask before the plan is applied.
    #[arg(long)]
    pub yes: bool,

    /// Only the code of the functions on AWS, within seconds; back to the old one if the smoke test fails.
    #[arg(long, conflicts_with = "dry_run")]
    pub code_only: bool,

    /// Print plan and outputs as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Deletes what was deployed and what it holds, and shows that nothing is left.
#[derive(Args, Clone, Debug)]
pub struct Destroy {
    /// What to delete.
    #[arg(value_enum)]
    pub part: Part,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Don't ask before anything is deleted. A protected environment still needs the stack's name: `--confirm`.
    #[arg(long)]
    pub yes: bool,

    /// The name of the stack, PREFIX-ENVIRONMENT, which a protected environment needs; without it, it is asked for.
    #[arg(long, value_name = "STACK")]
    pub confirm: Option<String>,

    /// Print what was left as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints what a deploy gave: names, URLs, ARNs.
#[derive(Args, Clone, Debug)]
pub struct Outputs {
    /// Of what.
    #[arg(value_enum, default_value_t = Part::All)]
    pub part: Part,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print them as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Shows both clouds side by side: stack, versions, queue, dead letters, last candle, drift.
#[derive(Args, Clone, Debug)]
pub struct Status {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Says what was changed by hand since the last deploy: exit code 1 if anything was.
#[derive(Args, Clone, Debug)]
pub struct Drift {
    /// Of what.
    #[arg(value_enum, default_value_t = Part::All)]
    pub part: Part,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}
