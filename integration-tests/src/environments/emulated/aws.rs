//! AWS: the stack, and the ports to what is in it.

use anyhow::Context as _;
use cloud_aws::{Clients, DynamoStore, S3Archive, SqsQueue};
use deploy::artifact;
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self, Limits, StackRequest};
use infra::render::{self, Code, STACK_TEMPLATE};
use infra::{Settings, names};

use super::network::{Client, Network, Service};
use super::{ACCOUNT, Place, known};
use crate::cloud::{Cloud, View};
use crate::delivery;
use crate::history::{CloudId, Event};

/// AWS as the harness sees it.
pub type AwsCloud = Cloud<SqsQueue, S3Archive, DynamoStore>;

/// Applies the stack.
pub(super) async fn deploy(place: &Place, network: &Network) -> anyhow::Result<()> {
    let settings = &place.deployment.settings;
    let artifacts = &place.deployment.artifacts;
    let config = config(settings, network).await;
    let bucket = names::aws_artifact_bucket(settings, ACCOUNT);
    artifact::create_bucket(&config, &bucket).await?;
    let upload = async |name: &str| {
        let zip = place.manifest.artifact(name);
        let zip = zip.with_context(|| format!("find {name} in the manifest"))?;
        let code = artifact::upload_artifact(&config, &bucket, artifacts, zip).await;
        code.with_context(|| format!("upload {name}"))
    };
    let code = Code {
        ingest: upload("aws-ingest").await?,
        replicate: Some(upload("aws-replicate").await?),
        bucket: bucket.clone(),
    };
    let request = StackRequest {
        name: &names::stack(settings),
        template: STACK_TEMPLATE,
        parameters: &render::stack_parameters(settings, &code, &known(network)),
        tags: &render::tags(settings),
    };
    let client = aws_sdk_cloudformation::Client::new(&config);
    cloudformation::apply(&client, &request, &Limits::default(), &mut |_| {}).await?;
    place.history.record(Event::CloudReady { cloud: CloudId::Aws });
    Ok(())
}

/// The harness's own way in.
pub(super) async fn config(settings: &Settings, network: &Network) -> aws_config::SdkConfig {
    let endpoint = network.endpoint(Client::Harness, Service::Aws);
    aws_config(Some(&endpoint), &settings.aws.region, Some(emulator_credentials())).await
}

/// Its ports, as the stack's outputs name them.
pub(super) async fn connect(place: &Place, network: &Network) -> anyhow::Result<AwsCloud> {
    let settings = &place.deployment.settings;
    let config = config(settings, network).await;
    let client = aws_sdk_cloudformation::Client::new(&config);
    let outputs = cloudformation::outputs(&client, &names::stack(settings)).await?;
    let clients = Clients::new(&config);
    let queue = |output: &str| -> anyhow::Result<SqsQueue> {
        Ok(SqsQueue::new(clients.sqs.clone(), outputs.get(output)?))
    };
    Ok(Cloud {
        name: CloudId::Aws,
        queue: queue("QueueUrl")?,
        dead_letters: queue("DeadLetterQueueUrl")?,
        archive: S3Archive::new(clients.s3.clone(), outputs.get("BucketName")?),
        store: DynamoStore::new(clients.dynamodb.clone(), outputs.get("TableName")?),
        view: View::whole().redelivering(delivery::Limits::of(CloudId::Aws, settings)),
    })
}
