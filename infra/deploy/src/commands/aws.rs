//! AWS: the two stacks, the functions' code, and the stacks' outputs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use cloud_aws::{Clients, DynamoStore, SqsQueue};
use infra::files::ResolvedOutputs;
use infra::names;
use infra::package::{Artifact, Service};
use infra::render::{self, BOOTSTRAP_TEMPLATE, Code, CodeObject, STACK_TEMPLATE};

use super::artifacts::Artifacts;
use super::clouds::check_account;
use super::connect::TOLD;
use super::known::Outputs;
use super::report;
use super::site::{DeployContext, now_ms};
use crate::aws::account;
use crate::cloudformation::{self as cfn, Limits, Plan, StackRequest};
use crate::{artifact, smoke};
use cli::Failure;
use cli::Progress;

/// The alias that receives messages.
pub(super) const LIVE: &str = "live";

/// The artifacts of the functions.
const INGEST: &str = "aws-ingest";
const REPLICATE: &str = "aws-replicate";

/// An AWS account, or an emulator of one.
pub(super) struct Aws<'s> {
    pub(super) site: &'s DeployContext,
    pub(super) config: SdkConfig,
    pub(super) account: String,
    pub(super) client: Client,
    pub(super) limits: Limits,
}

/// The wanted state of a stack.
pub(super) struct Desired {
    pub(super) name: String,
    template: &'static str,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Desired {
    pub(super) fn request(&self) -> StackRequest<'_> {
        StackRequest {
            name: &self.name,
            template: self.template,
            parameters: &self.parameters,
            tags: &self.tags,
        }
    }
}

impl<'s> Aws<'s> {
    /// Signs in, and checks the account.
    pub(super) async fn open(site: &'s DeployContext) -> Result<Self, Failure> {
        let config = site.aws_config().await;
        let account = account(&config).await?;
        check_account(site, &account)?;
        let client = Client::new(&config);
        Ok(Self { site, config, account, client, limits: Limits::default() })
    }

    pub(super) fn stack(&self) -> String {
        names::stack(&self.site.settings)
    }

    pub(super) fn bootstrap(&self) -> String {
        names::bootstrap_stack(&self.site.settings)
    }

    fn artifact_bucket(&self) -> String {
        names::aws_artifact_bucket(&self.site.settings, &self.account)
    }

    /// The code of the functions, whether uploaded or not.
    pub(super) fn code(&self) -> Result<Code, Failure> {
        let artifacts = Artifacts::read(self.site)?;
        let object = |name: &str| artifacts.lambda(name).map(artifact::code_object);
        let replicate = &self.site.settings.aws.replicate;
        Ok(Code {
            bucket: self.artifact_bucket(),
            ingest: object(INGEST)?,
            replicate: replicate.enabled.then(|| object(REPLICATE)).transpose()?,
        })
    }

    /// The object key of the producer's program; `None` without a producer instance on AWS.
    pub(super) fn producer_program(&self) -> Result<Option<String>, Failure> {
        if !self.site.settings.has_producer_at("aws") {
            return Ok(None);
        }
        let artifacts = Artifacts::read(self.site)?;
        let program = artifacts.service(&Service::PRODUCER)?;
        Ok(Some(artifact::code_object(program).key))
    }

    pub(super) async fn upload(&self) -> Result<(), Failure> {
        let artifacts = Artifacts::read(self.site)?;
        self.upload_artifact(artifacts.lambda(INGEST)?).await?;
        if self.site.settings.aws.replicate.enabled {
            self.upload_artifact(artifacts.lambda(REPLICATE)?).await?;
        }
        Ok(())
    }

    /// Uploads the producer's program, and returns its object key; `None` without a producer instance on AWS.
    pub(super) async fn upload_producer(&self) -> Result<Option<String>, Failure> {
        if !self.site.settings.has_producer_at("aws") {
            return Ok(None);
        }
        let artifacts = Artifacts::read(self.site)?;
        let uploaded = self.upload_artifact(artifacts.service(&Service::PRODUCER)?).await?;
        Ok(Some(uploaded.key))
    }

    async fn upload_artifact(&self, artifact: &Artifact) -> Result<CodeObject, Failure> {
        let folder = &self.site.checkout.artifacts;
        let bucket = self.artifact_bucket();
        Ok(artifact::upload_artifact(&self.config, &bucket, folder, artifact).await?)
    }

    /// The wanted state of both stacks, in the order of deployment.
    pub(super) fn wanted(&self, known: &ResolvedOutputs) -> Result<[Desired; 2], Failure> {
        let settings = &self.site.settings;
        let known = ResolvedOutputs { aws_account: Some(self.account.clone()), ..known.clone() };
        let stack = Desired {
            name: self.stack(),
            template: STACK_TEMPLATE,
            parameters: render::stack_parameters(settings, &self.code()?, &known),
            tags: render::tags(settings),
        };
        Ok([self.wanted_bootstrap(), stack])
    }

    /// The stack that holds Terraform's state and the functions' code.
    pub(super) fn wanted_bootstrap(&self) -> Desired {
        let settings = &self.site.settings;
        Desired {
            name: self.bootstrap(),
            template: BOOTSTRAP_TEMPLATE,
            parameters: render::bootstrap_parameters(settings),
            tags: render::tags(settings),
        }
    }

    /// Plans both stacks. Each plan must be executed or discarded.
    pub(super) async fn plans(
        &self,
        wanted: &[Desired],
        progress: &Progress,
    ) -> Result<Vec<Plan>, cfn::Error> {
        // Checked first, so that no change set is made if one stack can't be planned.
        for wanted in wanted {
            cfn::look(&self.client, &wanted.name, &self.limits, &mut |p| {
                report::stack(progress, &p);
            })
            .await?;
        }
        let mut plans = Vec::new();
        for wanted in wanted {
            progress.now(format!("planning stack {}", wanted.name));
            let request = wanted.request();
            let plan = cfn::plan(&self.client, &request, &self.limits, &mut |p| {
                report::stack(progress, &p);
            })
            .await;
            match plan {
                Ok(plan) => plans.push(plan),
                Err(error) => {
                    self.discard(&plans).await;
                    return Err(error);
                }
            }
        }
        Ok(plans)
    }

    /// Discards plans. One that can't be discarded is reused by the next deploy.
    pub(super) async fn discard(&self, plans: &[Plan]) {
        for plan in plans {
            let _ = cfn::discard(&self.client, plan, &self.limits).await;
        }
    }

    pub(super) async fn execute(
        &self,
        plan: &Plan,
        progress: &Progress,
    ) -> Result<cfn::Outputs, cfn::Error> {
        progress.now(format!("deploying stack {}", plan.stack));
        cfn::execute(&self.client, plan, &self.limits, &mut |p| report::stack(progress, &p)).await
    }

    /// Protects a stack from deletion if the environment is protected and the stack isn't yet.
    pub(super) async fn protect(&self, stack: &str) -> Result<(), cfn::Error> {
        if !self.site.is_protected() || cfn::deployed(&self.client, stack).await?.is_protected {
            return Ok(());
        }
        cfn::protect(&self.client, stack, true).await
    }

    /// The outputs of a deployed stack, its parameters from other parts, and the values of this account that other parts need.
    pub(super) fn outputs(&self, stack: &cfn::Deployed) -> Outputs {
        let mut outputs = stack.outputs.0.clone();
        let told = TOLD.into_iter().filter_map(|name| {
            let value = stack.parameters.get(name).filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value.clone()))
        });
        outputs.extend(told);
        outputs.insert("Account".to_owned(), self.account.clone());
        outputs.insert("Region".to_owned(), self.site.settings.aws.region.clone());
        outputs.insert(
            "StateBucket".to_owned(),
            names::aws_state_bucket(&self.site.settings, &self.account),
        );
        outputs
    }

    /// A note if the account's concurrency limit is below what this deployment may need; none without the right to read the
    /// limit.
    pub(super) async fn few_invocations(&self) -> Option<String> {
        let answer = aws_sdk_lambda::Client::new(&self.config).get_account_settings().send().await;
        let limit = answer.ok()?.account_limit()?.concurrent_executions();
        let aws = &self.site.settings.aws;
        let asked = aws.ingest.max_concurrency + u32::from(aws.replicate.enabled);
        (limit > 0 && limit.unsigned_abs() < asked).then(|| {
            format!(
                "this account runs {limit} functions at once, and ingest and replicate may ask for {asked}: what is above \
                 waits, and after some tries is a dead letter; ask AWS for a higher quota of concurrent executions, or \
                 lower aws.ingest.max_concurrency"
            )
        })
    }

    /// The queue and the candles of a deployed stack.
    pub(super) fn ports(&self, outputs: &cfn::Outputs) -> Result<Ports, cfn::Error> {
        let clients = Clients::new(&self.config);
        Ok(Ports {
            queue: SqsQueue::new(clients.sqs.clone(), outputs.get("QueueUrl")?),
            store: DynamoStore::new(clients.dynamodb.clone(), outputs.get("TableName")?),
        })
    }

    /// Sends a trade through the deployed queue.
    pub(super) async fn smoke(
        &self,
        outputs: &cfn::Outputs,
        progress: &Progress,
    ) -> Result<smoke::Passed, Failure> {
        progress.now("smoke test: a trade on its way through the queue");
        let Ports { queue, store } = self.ports(outputs)?;
        let intervals = self.site.intervals()?;
        let interval = *intervals.first().context("find an interval in trading.intervals")?;
        let symbol = self.site.smoke_symbol()?;
        // The time limit of a trade already exceeds the time in which AWS applies a grant.
        let limits = self.site.smoke_limits(smoke::SPREAD_AWS, false);
        let mut note = |text: String| progress.note(text);
        Ok(smoke::test(limits, &queue, &store, &symbol, interval, now_ms(), &mut note).await?)
    }
}

/// The ports of a deployed stack.
pub(super) struct Ports {
    pub(super) queue: SqsQueue,
    pub(super) store: DynamoStore,
}
