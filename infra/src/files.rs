//! The files for Terraform, `CloudFormation` and a shell, rendered from the settings.
//!
//! They must be outside of the Terraform roots: a `terraform.tfvars.json` in a root is loaded by any
//! Terraform command there, including its tests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use producer_config::ProducerConfig;
use serde::Serialize;

pub use crate::known::{KnownProducer, KnownRegion, ResolvedOutputs};
use crate::names;
use crate::render::{self, owned};
use crate::settings::Settings;
use crate::template;

/// The folder of an environment's files, from the root of the workspace.
#[must_use]
pub fn folder(settings: &Settings) -> PathBuf {
    Path::new("outputs/rendered").join(&settings.project.environment)
}

/// A rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the folder of rendered files.
    pub path: &'static str,
    /// Its content.
    pub text: String,
}

/// The reason why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder has a Terraform root at the path of a root's values.
    #[error(
        "{} is a Terraform root: what runs there would load the rendered values unasked, its tests too; name another folder with --out",
        _0.display()
    )]
    IntoRoot(PathBuf),
    /// An I/O error.
    #[error("write {}: {cause}; name a folder that you may write to with --out", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl WriteError {
    /// True if another folder must be named.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::IntoRoot(_))
    }
}

macro_rules! templates {
    ($($path:literal from $name:literal),* $(,)?) => {
        [$(($path, $name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// Each file, its template and the template's text.
const TEMPLATES: [(&str, &str, &str); 11] = templates![
    "terraform/terraform.tfvars.json" from "terraform.tfvars.json.hbs",
    "terraform-gcp/terraform.tfvars.json" from "terraform-gcp.tfvars.json.hbs",
    "aws.s3.tfbackend" from "aws.s3.tfbackend.hbs",
    "gcp.gcs.tfbackend" from "gcp.gcs.tfbackend.hbs",
    "bootstrap-parameters.json" from "bootstrap-parameters.json.hbs",
    "stack-parameters.json" from "stack-parameters.json.hbs",
    ".env" from "env.hbs",
    ".env.gcp" from "env.gcp.hbs",
    ".env.producer" from "env.producer.hbs",
    "producer.env" from "producer.env.hbs",
    "producer.json" from "producer.json.hbs",
];

/// The producer's systemd unit.
const PRODUCER_UNIT: &str = include_str!("../producer/twincloud-producer.service");

/// The files that would deploy the Google side.
const OF_HOME: [&str; 2] = ["terraform-gcp/terraform.tfvars.json", "gcp.gcs.tfbackend"];

/// The values for the templates.
#[derive(Serialize)]
struct Values<'v> {
    settings: &'v Settings,
    known: &'v ResolvedOutputs,
    names: Names,
    host: ProducerHost,
    producer_regions: Vec<ProducerRegion>,
    bootstrap_parameters: BTreeMap<String, String>,
    stack_parameters: BTreeMap<String, String>,
    gcp_function_env: BTreeMap<String, String>,
    gcp_replicate_env: BTreeMap<String, String>,
    aws_env: BTreeMap<String, String>,
    gcp_env: BTreeMap<String, String>,
    producer_env: BTreeMap<String, String>,
    producer_config: ProducerConfig,
}

#[derive(Serialize)]
struct Names {
    /// The AWS account that the values are for.
    account: Option<String>,
    stack: String,
    bootstrap_stack: String,
    bucket_base: String,
    artifact_bucket_base: String,
    gcp_bucket: String,
    state_bucket: Option<String>,
    github_environments: Vec<String>,
    github_owner_id: Option<String>,
    github_repository_id: Option<String>,
    replicate: Option<String>,
    /// The roles of all regions.
    replicate_roles: Vec<String>,
}

/// Terraform variables of the producer's instances; empty for a cloud without one.
#[derive(Serialize)]
struct ProducerHost {
    program: Option<String>,
    unit: Option<&'static str>,
    aws_env: BTreeMap<String, String>,
    google_audience: Option<String>,
    /// ARN of the role of the instance on AWS, for the grants on Google Cloud.
    aws_role: Option<String>,
    image: Option<String>,
    gcp_env: BTreeMap<String, String>,
    gcp_aws_env: BTreeMap<String, String>,
    /// Unique id of the service account on Google Cloud, for the role's trust on AWS.
    google_subject: Option<String>,
}

impl ProducerHost {
    fn of(settings: &Settings, known: &ResolvedOutputs) -> Self {
        let (at_aws, at_gcp) = (settings.has_producer_at("aws"), settings.has_producer_at("gcp"));
        let env = |is_there: bool| {
            if is_there { settings.producer_env() } else { BTreeMap::new() }
        };
        let role = known.producer.google_role_arn.clone().filter(|_| at_gcp);
        let sign_in = role.map(|role| {
            let audience = settings.aws.foundation.google_audience.clone();
            owned([("TWINCLOUD_AWS_ROLE", role), ("TWINCLOUD_AWS_AUDIENCE", audience)])
        });
        Self {
            program: known.producer.program.clone().filter(|_| at_aws),
            unit: at_aws.then_some(PRODUCER_UNIT),
            aws_env: env(at_aws),
            google_audience: known.google_audience_for_aws.clone().filter(|_| at_aws),
            aws_role: at_aws.then(|| names::aws_producer_role(settings)),
            image: known.producer.image.clone().filter(|_| at_gcp),
            gcp_env: env(at_gcp),
            gcp_aws_env: sign_in.unwrap_or_default(),
            google_subject: known.producer.google_subject.clone().filter(|_| at_gcp),
        }
    }
}

/// Another region of AWS that the producer publishes to.
#[derive(Serialize)]
struct ProducerRegion {
    region: String,
    queue: String,
    table: String,
}

impl ProducerRegion {
    /// The regions among the targets of the route.
    fn all(settings: &Settings) -> Vec<Self> {
        let aws = &settings.aws;
        let named = settings.route.targets.iter().filter_map(|target| target.strip_prefix("aws-"));
        let further = named.filter(|region| *region != aws.region);
        let of = |region: &str| {
            let environment = settings.regions.iter().find(|there| there.region == region);
            let (queue, table) = environment
                .map_or((&aws.queue.name, &aws.table), |there| (&there.queue, &there.table));
            Self { region: region.to_owned(), queue: queue.clone(), table: table.clone() }
        };
        further.map(of).collect()
    }
}

/// Renders every file.
pub fn render(settings: &Settings, known: &ResolvedOutputs) -> Result<Vec<File>, template::Error> {
    let replicates = settings.aws.replicate.enabled;
    let replicate_role = replicates.then(|| names::aws_replicate_role(settings));
    let elsewhere = settings.regions.iter().filter_map(|region| region.replicate_role.clone());
    let state_bucket = match &known.aws_account {
        Some(account) => Some(names::aws_state_bucket(settings, account)),
        None => settings.aws.state.bucket.clone(),
    };
    let values = Values {
        settings,
        known,
        names: Names {
            account: settings.aws.account.clone().or_else(|| known.aws_account.clone()),
            stack: names::stack(settings),
            bootstrap_stack: names::bootstrap_stack(settings),
            bucket_base: names::aws_bucket_base(settings),
            artifact_bucket_base: names::aws_artifact_bucket_base(settings),
            gcp_bucket: names::gcp_bucket(settings),
            state_bucket,
            github_environments: settings.github_environments(),
            github_owner_id: settings.github.owner_id.map(|id| id.to_string()),
            github_repository_id: settings.github.repository_id.map(|id| id.to_string()),
            replicate: replicates.then(|| names::aws_replicate(settings)),
            replicate_roles: replicate_role.into_iter().chain(elsewhere).collect(),
        },
        host: ProducerHost::of(settings, known),
        producer_regions: ProducerRegion::all(settings),
        bootstrap_parameters: render::bootstrap_parameters(settings),
        stack_parameters: match &known.code {
            Some(code) => render::stack_parameters(settings, code, known),
            None => render::stack_parameters_without_code(settings, known),
        },
        gcp_function_env: settings.gcp_function_env(),
        gcp_replicate_env: settings.gcp_replicate_env(known),
        aws_env: aws_env(settings, known),
        gcp_env: gcp_env(settings, known),
        producer_env: settings.producer_env(),
        producer_config: settings.producer_config(),
    };
    // The Google side of another region is rendered in its home environment.
    let is_home = settings.project.region_of.is_none();
    TEMPLATES
        .into_iter()
        .filter(|(path, ..)| is_home || !OF_HOME.contains(path))
        .map(|(path, name, text)| Ok(File { path, text: template::render(name, text, &values)? }))
        .collect()
}

/// Writes the files into `folder`, each atomically, and returns their paths.
pub fn write(files: &[File], folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    for file in files {
        let inside = folder.join(file.path).with_file_name("variables.tf");
        if inside.exists() {
            return Err(WriteError::IntoRoot(inside.with_file_name("")));
        }
    }
    files
        .iter()
        .map(|file| {
            let path = folder.join(file.path);
            match replace(&path, &file.text) {
                Ok(()) => Ok(path),
                Err(cause) => Err(WriteError::Write { path, cause }),
            }
        })
        .collect()
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, text)?;
    fs::rename(&part, path)
}

/// Variables for a shell that works with AWS, and the function's own environment.
fn aws_env(settings: &Settings, known: &ResolvedOutputs) -> BTreeMap<String, String> {
    let aws = &settings.aws;
    let mut env = settings.function_env();
    env.extend(owned([
        ("AWS_REGION", aws.region.clone()),
        ("TWINCLOUD_ENVIRONMENT", settings.project.environment.clone()),
        ("TWINCLOUD_STACK", names::stack(settings)),
        ("TWINCLOUD_QUEUE", aws.queue.name.clone()),
        ("TWINCLOUD_DEAD_LETTER_QUEUE", aws.queue.dead_letter_name.clone()),
        ("TWINCLOUD_TABLE", aws.table.clone()),
        ("TWINCLOUD_INGEST", aws.ingest.name.clone()),
    ]));
    let replicate = aws.replicate.enabled.then(|| names::aws_replicate(settings));
    let optional = [
        ("TWINCLOUD_REPLICATE", replicate),
        ("TWINCLOUD_AWS_ACCOUNT", known.aws_account.clone()),
        ("AWS_ENDPOINT_URL", known.aws_endpoint.clone()),
    ];
    env.extend(given(optional));
    if let Some(account) = &known.aws_account {
        env.extend(owned([
            ("TWINCLOUD_BUCKET", names::aws_bucket(settings, account)),
            ("TWINCLOUD_ARTIFACT_BUCKET", names::aws_artifact_bucket(settings, account)),
        ]));
    }
    env
}

/// Variables for a shell that works with Google Cloud, and the services' own environment.
fn gcp_env(settings: &Settings, known: &ResolvedOutputs) -> BTreeMap<String, String> {
    let gcp = &settings.gcp;
    let pubsub = &gcp.pubsub;
    let mut env = settings.gcp_function_env();
    env.extend(owned([
        ("GOOGLE_CLOUD_PROJECT", gcp.project.clone()),
        ("GOOGLE_CLOUD_REGION", gcp.region.clone()),
        ("TWINCLOUD_ENVIRONMENT", settings.project.environment.clone()),
        ("TWINCLOUD_TOPIC", pubsub.topic.clone()),
        ("TWINCLOUD_SUBSCRIPTION", pubsub.subscription.clone()),
        ("TWINCLOUD_DEAD_LETTER_TOPIC", pubsub.dead_letter_topic.clone()),
        ("TWINCLOUD_DEAD_LETTER_SUBSCRIPTION", pubsub.dead_letter_subscription.clone()),
        ("TWINCLOUD_INGEST", gcp.ingest.service.clone()),
    ]));
    env.extend(given([
        ("TWINCLOUD_REPLICATE", gcp.replicate.service.clone()),
        ("TWINCLOUD_INGEST_IMAGE", known.ingest_image.clone()),
        ("TWINCLOUD_REPLICATE_IMAGE", known.replicate_image.clone()),
    ]));
    env
}

/// The variables that have a value.
fn given<const N: usize>(
    pairs: [(&str, Option<String>); N],
) -> impl Iterator<Item = (String, String)> {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)))
}
