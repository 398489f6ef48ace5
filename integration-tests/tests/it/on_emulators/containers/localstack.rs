//! `LocalStack`'s own code: the parts of the stack that it carries, by change sets, and the ports over them.
//!
//! Of its image there is none here that runs functions or has a table, so what those need is left out of the template
//! ([`parts`]); `.github/workflows/e2e.yml` runs the whole pipeline on its full image.

mod parts;

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use cloud_aws::{Clients, S3Archive, SqsQueue};
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self as cfn, Error, Limits, Outputs, Plan, Progress, StackRequest};
use harness::containers::{Alone, Image, images};
use harness::emulator::Emulator;
use harness::processes::supervised::GuardProgram;
use infra::files::ResolvedOutputs;
use infra::render::{STACK_TEMPLATE, stack_parameters_without_code, tags};
use infra::{Settings, names};
use pipeline::ports::Queue as _;
use serde_json::{Value, json};

use self::parts::Parts;
use super::{REQUIRED, reaped};
use crate::command::workspace;
use crate::trees::HARNESS;

/// Types that `LocalStack` has only with a download (`DynamoDB` Local, Lambda's runtime) or a container engine; and the
/// metric filter, of which its `CloudFormation` says that it is made and makes none.
const NOT_CARRIED: [&str; 3] = ["AWS::DynamoDB::", "AWS::Lambda::", "AWS::Logs::MetricFilter"];
/// Resources that go with those. docs/targets.md lists the parts of the template that this leaves to the full image.
const LEFT_OUT: [&str; 14] = [
    "IngestAlias",
    "IngestErrorsAlarm",
    "IngestFunction",
    "IngestMapping",
    "IngestThrottlesAlarm",
    "IngestVersion",
    "ReplicateErrorsAlarm",
    "ReplicateFunction",
    "ReplicateInvokeConfig",
    "ReplicatePermission",
    "ReplicateRule",
    "ReplicateThrottlesAlarm",
    "ReplicationLag",
    "Table",
];

/// The image, where it can be had.
async fn image() -> Option<Image> {
    match images::localstack_code().await {
        Ok(image) => Some(image),
        Err(error) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set: {error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// `LocalStack`'s code, with nothing in it.
struct Fixture {
    folder: tempfile::TempDir,
    localstack: Alone,
    config: SdkConfig,
    settings: Settings,
    parts: Parts,
}

impl Fixture {
    async fn start() -> Option<Self> {
        let image = image().await?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let guard = GuardProgram::at(HARNESS);
        let localstack = Alone::start(Emulator::Aws, image, &guard, folder.path()).await;
        let localstack = localstack.expect("it starts");
        let settings = settings(30);
        let (endpoint, region) = (Some(localstack.endpoint()), &settings.aws.region);
        let config = aws_config(endpoint, region, Some(emulator_credentials())).await;
        let parts = parts::without(STACK_TEMPLATE, &NOT_CARRIED);
        Some(Self { folder, localstack, config, settings, parts })
    }

    fn client(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    async fn apply(&self, settings: &Settings) -> Result<(Outputs, Plan), Error> {
        self.apply_template(&self.parts.template, settings).await
    }

    async fn apply_template(
        &self,
        template: &str,
        settings: &Settings,
    ) -> Result<(Outputs, Plan), Error> {
        let known = ResolvedOutputs {
            aws_endpoint: Some(self.localstack.endpoint().to_owned()),
            ..ResolvedOutputs::default()
        };
        let request = StackRequest {
            name: &names::stack(settings),
            template,
            parameters: &parameters(settings, &known),
            tags: &tags(settings),
        };
        let (mut planned, mut events) = (None, Vec::new());
        let mut note = |progress: Progress<'_>| match progress {
            Progress::Planned(plan) => planned = Some(plan.clone()),
            Progress::Event(event) => events.push(event.to_string()),
            Progress::Waiting { .. } | Progress::Clearing { .. } | Progress::Overtaken { .. } => {}
        };
        let outputs = cfn::apply(&self.client(), &request, &Limits::default(), &mut note).await?;
        // It reports resources that it can't make as made, and says so in the reason alone.
        let faked: Vec<_> = events.iter().filter(|event| event.contains("fallback")).collect();
        assert!(faked.is_empty(), "not made in truth: {faked:?}");
        Ok((outputs, planned.expect("there was a plan")))
    }

    /// Stops it, and sees that nothing is left of it.
    async fn stop(self) {
        let run = self.localstack.run_id().to_owned();
        self.localstack.stop().await.expect("stop");
        assert_eq!(reaped::left_of(&run), "", "nothing is left");
        let log = std::fs::read_to_string(self.folder.path().join("logs/aws.log"));
        assert!(log.expect("it has a log").contains("LocalStack version: 4.14.0"));
    }
}

fn settings(visibility_timeout_s: u32) -> Settings {
    let file = workspace().join(infra::settings::FILE);
    let sets = [format!("aws.queue.visibility_timeout_s={visibility_timeout_s}")];
    let settings = Settings::load(&file, Some("local"), &sets, std::iter::empty());
    settings.expect("the settings are right")
}

/// The stack's parameters. The functions' are included, as the template declares them, and are not read.
fn parameters(settings: &Settings, known: &ResolvedOutputs) -> BTreeMap<String, String> {
    let mut parameters = stack_parameters_without_code(settings, known);
    let code = [
        ("ArtifactBucket", "left-out".to_owned()),
        ("ArtifactKey", "left-out".to_owned()),
        ("CodeSha256", format!("{}=", "A".repeat(43))),
        ("ReplicateArtifactKey", "left-out".to_owned()),
        ("Revision", "0".repeat(16)),
    ];
    parameters.extend(code.map(|(name, value)| (name.to_owned(), value)));
    parameters
}

#[tokio::test(flavor = "multi_thread")]
async fn its_queues_and_its_bucket_keep_the_contract_of_the_ports() {
    let Some(fixture) = Fixture::start().await else { return };
    let (outputs, _) = fixture.apply(&fixture.settings).await.expect("the parts are made");
    let output = |name: &str| outputs.get(name).expect("an output").to_owned();
    let clients = Clients::new(&fixture.config);
    // Neither queue has a receiver of its own here: the mapping is left out.
    let queue = |url| SqsQueue::new(clients.sqs.clone(), url);
    let (trades, dead) = (queue(output("QueueUrl")), queue(output("DeadLetterQueueUrl")));
    let archive = S3Archive::new(clients.s3.clone(), output("BucketName"));
    tokio::join!(
        conformance::queue(&trades),
        conformance::queue(&dead),
        conformance::archive(&archive, "localstack"),
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_the_stack_that_it_carries_are_made_used_changed_and_deleted() {
    let Some(fixture) = Fixture::start().await else { return };
    let (outputs, plan) = fixture.apply(&fixture.settings).await.expect("the parts are made");
    let planned: BTreeSet<&str> = plan.changes.iter().map(|it| it.address.as_str()).collect();
    let kept: BTreeSet<&str> = fixture.parts.kept.iter().map(String::as_str).collect();
    assert_eq!((plan.creates, planned), (true, kept), "{plan}");

    the_queues_are_what_the_settings_say(&fixture, &outputs).await;
    what_fails_again_and_again_is_a_dead_letter(&fixture, &outputs).await;
    the_bucket_is_what_the_template_says(&fixture, &outputs).await;

    let (same, plan) = fixture.apply(&fixture.settings).await.expect("nothing to do");
    assert!(plan.to_string().contains("no changes"), "{plan}");
    assert_eq!(same, outputs);

    let (_, plan) = fixture.apply(&settings(45)).await.expect("one value is another");
    let changed: Vec<&str> = plan.changes.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(changed, ["Queue"], "{plan}");
    let url = outputs.get("QueueUrl").expect("an output");
    assert_eq!(attributes(&fixture, url).await["VisibilityTimeout"], "45");

    cfn::delete(&fixture.client(), &plan.stack, &Limits::default(), &mut |_| ())
        .await
        .expect("delete");
    let error = cfn::outputs(&fixture.client(), &plan.stack).await.expect_err("it is gone");
    assert!(matches!(error, Error::NoStack { .. }), "{error:?}");
    let queues = Clients::new(&fixture.config).sqs.list_queues().send().await.expect("list");
    assert!(queues.queue_urls().is_empty(), "{queues:?}");

    a_part_that_fails_is_named_with_its_reason(&fixture).await;
    fixture.stop().await;
}

async fn the_queues_are_what_the_settings_say(fixture: &Fixture, outputs: &Outputs) {
    let output = |name: &str| outputs.get(name).expect("an output");
    let expected = &fixture.settings.aws.queue;
    let queue = attributes(fixture, output("QueueUrl")).await;
    assert_eq!(queue["VisibilityTimeout"], expected.visibility_timeout_s.to_string());
    assert_eq!(queue["MessageRetentionPeriod"], expected.retention_s.to_string());
    let redrive: Value = serde_json::from_str(&queue["RedrivePolicy"]).expect("JSON");
    assert_eq!(redrive["deadLetterTargetArn"], output("DeadLetterQueueArn"), "{redrive}");

    let dead = attributes(fixture, output("DeadLetterQueueUrl")).await;
    assert_eq!(dead["MessageRetentionPeriod"], expected.dead_letter_retention_s.to_string());
    let allow: Value = serde_json::from_str(&dead["RedriveAllowPolicy"]).expect("JSON");
    let by_queue =
        json!({ "redrivePermission": "byQueue", "sourceQueueArns": [output("QueueArn")] });
    assert_eq!(allow, by_queue);
    assert!([&queue, &dead].iter().all(|it| it["SqsManagedSseEnabled"] == "true"));
}

async fn attributes(fixture: &Fixture, url: &str) -> BTreeMap<String, String> {
    let sqs = Clients::new(&fixture.config).sqs;
    let get = sqs.get_queue_attributes().queue_url(url);
    let answer = get.attribute_names(QueueAttributeName::All).send().await.expect("attributes");
    let attributes = answer.attributes.unwrap_or_default();
    attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect()
}

/// As the event source mapping does with a message that the function gives back.
async fn what_fails_again_and_again_is_a_dead_letter(fixture: &Fixture, outputs: &Outputs) {
    let sqs = Clients::new(&fixture.config).sqs;
    let queue = |name: &str| SqsQueue::new(sqs.clone(), outputs.get(name).expect("an output"));
    let (trades, dead) = (queue("QueueUrl"), queue("DeadLetterQueueUrl"));
    let sent = trades.publish(vec!["poison".to_owned()]).await.remove(0).expect("sent");
    for delivery in 1..=fixture.settings.aws.queue.max_receive_count {
        assert!(dead.receive(10).await.expect("receive").is_empty(), "before delivery {delivery}");
        let received = trades.receive(10).await.expect("receive");
        let [message] = received.as_slice() else { panic!("delivery {delivery}: {received:?}") };
        trades.release(&message.receipt).await.expect("release");
    }
    let more = trades.receive(10).await.expect("receive");
    assert!(more.is_empty(), "one delivery too many: {more:?}");
    let letters = dead.receive(10).await.expect("receive");
    assert!(matches!(letters.as_slice(), [letter] if letter.id == sent), "{letters:?}");
}

async fn the_bucket_is_what_the_template_says(fixture: &Fixture, outputs: &Outputs) {
    let s3 = Clients::new(&fixture.config).s3;
    let bucket = outputs.get("BucketName").expect("an output");
    let versioning = s3.get_bucket_versioning().bucket(bucket).send().await.expect("versioning");
    assert_eq!(versioning.status.expect("a status").as_str(), "Enabled");

    let tags = s3.get_bucket_tagging().bucket(bucket).send().await.expect("tags");
    let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert!(tags.contains(&("component", "archive")), "{tags:?}");

    let access = s3.get_public_access_block().bucket(bucket).send().await.expect("an access block");
    let access = access.public_access_block_configuration.expect("an access block");
    assert_eq!(
        (access.block_public_acls, access.restrict_public_buckets),
        (Some(true), Some(true))
    );

    let policy = s3.get_bucket_policy().bucket(bucket).send().await.expect("a policy");
    let policy: Value = serde_json::from_str(policy.policy().expect("a policy")).expect("JSON");
    let statement = &policy["Statement"][0];
    assert_eq!((&statement["Sid"], &statement["Effect"]), (&json!("TlsOnly"), &json!("Deny")));
    let arn = format!("arn:aws:s3:::{bucket}");
    assert_eq!(statement["Resource"], json!([arn, format!("{arn}/*")]), "{policy}");
}

async fn a_part_that_fails_is_named_with_its_reason(fixture: &Fixture) {
    let name = r#"BucketName: !Sub "${ArchiveBucketBase}-${AWS::AccountId}""#;
    assert!(fixture.parts.template.contains(name));
    let broken = fixture.parts.template.replace(name, "BucketName: Not_A_Name");
    let error = fixture.apply_template(&broken, &fixture.settings).await.err();
    let error = error.expect("no bucket has such a name");
    // Its status is seen before the rollback or after it: LocalStack's stacks have failed for a moment first.
    let Error::Failed { resource, .. } = &error else { panic!("{error:?}") };
    assert_eq!(resource, "ArchiveBucket (AWS::S3::Bucket)", "{error}");
    assert!(error.to_string().contains("InvalidBucketName"), "{error}");
}

#[test]
fn what_is_left_out_is_what_the_full_image_is_needed_for() {
    let parts = parts::without(STACK_TEMPLATE, &NOT_CARRIED);
    assert_eq!(parts.left_out, BTreeSet::from(LEFT_OUT.map(str::to_owned)));
}

/// By the name of its image in the settings, neither.
#[tokio::test(flavor = "multi_thread")]
async fn the_target_containers_never_takes_it_for_localstack() {
    use infra::settings::{AwsEmulator, Containers};

    let Some(image) = image().await else { return };
    let mut settings = Containers::default();
    settings.images.localstack = Some(image.reference.clone());
    for aws in [Some(AwsEmulator::LocalStack), None] {
        let error = images::Images::find(&settings, aws, |_| ()).await.expect_err("not for a run");
        let error = error.to_string();
        assert!(error.starts_with(&image.reference), "{error}");
        assert!(error.contains("--aws-emulator ministack"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_image_is_made_when_it_is_asked_for_and_not_made_again() {
    let Some(image) = image().await else { return };
    let built = crate::command::Checkout::new();
    let built = built.run(&["images", "build", "--only", "localstack", "--json"]);
    built.assert_code(0);
    let made = &built.json()["images"];
    assert_eq!(made.as_array().expect("a list").len(), 1, "{made}");
    assert_eq!((&made[0]["image"], &made[0]["built"]), (&json!(image.reference), &json!(false)));
}
