//! The whole stack on the AWS emulator: made, used, changed and deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use deploy::artifact::{create_bucket, upload_artifact};
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self as cfn, Error, Limits, Outputs, Plan, Progress, StackRequest};
use harness::processes::emulators::{Running, ministack};
use infra::Settings;
use infra::files::ResolvedOutputs;
use infra::package::{Artifact, lambda_zip};
use infra::render::{Code, STACK_TEMPLATE, stack_parameters, tags};

use super::emulator_context;

/// Both functions: takes a batch and fails the messages that say so; a schedule's event has none.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(answer)
    failed = [r["messageId"] for r in event.get("Records", []) if "poison" in r["body"]]
    body = json.dumps({"batchItemFailures": [{"itemIdentifier": i} for i in failed]})
    urllib.request.urlopen(api + request + "/response", data=body.encode())
"#;

struct Fixture {
    _folder: tempfile::TempDir,
    _emulator: Running,
    endpoint: String,
    config: SdkConfig,
    client: Client,
    settings: Settings,
}

impl Fixture {
    /// An emulator of its own for each test.
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let context = emulator_context(folder.path()).await;
        let emulator = ministack::start(&context, &ministack::Options::default()).await;
        let emulator = emulator.expect("the emulator starts");
        let endpoint = emulator.endpoint.clone();
        let text = include_str!("../../../../twincloud.toml");
        let sets = [
            format!("project.prefix=t-{name}-{}", std::process::id()),
            "aws.ingest.timeout_s=1".to_owned(),
            "aws.queue.visibility_timeout_s=1".to_owned(),
            "aws.queue.max_receive_count=2".to_owned(),
        ];
        let settings = Settings::parse(
            Path::new("twincloud.toml"),
            text,
            Some("local"),
            &sets,
            std::iter::empty(),
        )
        .expect("the settings are valid");
        let config =
            aws_config(Some(&endpoint), &settings.aws.region, Some(emulator_credentials())).await;
        let client = Client::new(&config);
        Self { _folder: folder, _emulator: emulator, endpoint, config, client, settings }
    }

    fn stack(&self) -> String {
        infra::names::stack(&self.settings)
    }

    async fn upload(&self, bootstrap_text: &str) -> Code {
        let bucket = infra::names::aws_artifact_bucket(&self.settings, "000000000000");
        create_bucket(&self.config, &bucket).await.expect("create the bucket");
        create_bucket(&self.config, &bucket).await.expect("it is there already");
        let folder = tempfile::tempdir().expect("folder");
        let bootstrap = folder.path().join("bootstrap");
        std::fs::write(&bootstrap, bootstrap_text).expect("write");
        let digest = lambda_zip(&bootstrap, &folder.path().join("ingest.zip")).expect("zip");
        let artifact = Artifact {
            name: "aws-ingest".to_owned(),
            path: "ingest.zip".to_owned(),
            bytes: digest.bytes,
            sha256: digest.sha256,
            arch: "x86_64".to_owned(),
            glibc_max: None,
            uncompressed_bytes: bootstrap_text.len() as u64,
            image_digest: None,
        };
        let code =
            upload_artifact(&self.config, &bucket, folder.path(), &artifact).await.expect("upload");
        let again = upload_artifact(&self.config, &bucket, folder.path(), &artifact)
            .await
            .expect("it is there already");
        assert_eq!(code, again);
        let changed = Artifact { sha256: "0".repeat(64), ..artifact };
        let error = upload_artifact(&self.config, &bucket, folder.path(), &changed)
            .await
            .expect_err("not what the manifest says");
        assert!(error.to_string().contains("package again"), "{error}");
        Code { bucket, ingest: code.clone(), replicate: Some(code) }
    }

    fn parameters(&self, code: &Code) -> BTreeMap<String, String> {
        let known = ResolvedOutputs {
            aws_endpoint: Some(self.endpoint.clone()),
            ..ResolvedOutputs::default()
        };
        stack_parameters(&self.settings, code, &known)
    }

    async fn apply(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(Outputs, Seen), Error> {
        let stack = self.stack();
        let tags = tags(&self.settings);
        let request = StackRequest { name: &stack, template, parameters, tags: &tags };
        let mut seen = Seen::default();
        let outputs = cfn::apply(&self.client, &request, &Limits::default(), &mut |progress| {
            seen.note(&progress);
        })
        .await?;
        Ok((outputs, seen))
    }

    async fn delete(&self) {
        cfn::delete(&self.client, &self.stack(), &Limits::default(), &mut |_| ())
            .await
            .expect("delete");
    }
}

#[derive(Default)]
struct Seen {
    plan: Option<Plan>,
    events: Vec<String>,
    cleared: bool,
}

impl Seen {
    fn note(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Planned(plan) => self.plan = Some((*plan).clone()),
            Progress::Event(event) => self.events.push(event.to_string()),
            Progress::Clearing { .. } => self.cleared = true,
            Progress::Waiting { .. } | Progress::Overtaken { .. } => {}
        }
    }

    fn plan(&self) -> String {
        self.plan.as_ref().expect("there was a plan").to_string()
    }
}

#[tokio::test]
async fn made_used_changed_and_deleted() {
    let mut fixture = Fixture::new("life").await;
    let code = fixture.upload(BOOTSTRAP).await;
    let parameters = fixture.parameters(&code);

    let started = Instant::now();
    let (outputs, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("create");
    println!("created in {:?}\n{}\n{}", started.elapsed(), seen.plan(), seen.events.join("\n"));
    let resources =
        STACK_TEMPLATE.lines().filter(|line| line.starts_with("    Type: AWS::")).count();
    let plan = seen.plan.as_ref().expect("plan");
    assert_eq!((plan.creates, plan.changes.len()), (true, resources), "{plan}");
    assert!(
        seen.events
            .iter()
            .any(|event| event.starts_with("CREATE_COMPLETE") && event.contains("IngestMapping"))
    );
    assert_eq!(outputs.get("TableName").expect("output"), fixture.settings.aws.table);
    assert!(outputs.get("Nothing").expect_err("no such output").to_string().contains("QueueUrl"));

    poison_alone_is_a_dead_letter(&fixture, &outputs).await;

    let (again, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("nothing to do");
    assert_eq!(again, outputs);
    assert!(seen.plan().contains("no changes"), "{}", seen.plan());

    fixture.settings.aws.ingest.batch_size = 5;
    let (_, seen) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&code)).await.expect("update");
    println!("{}", seen.plan());
    let changes = &seen.plan.as_ref().expect("plan").changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].address, "IngestMapping");
    assert_eq!(changes[0].properties.len(), 1, "{changes:?}");
    assert_eq!(changes[0].properties[0].path, "/Properties/BatchSize");

    let without = Code { replicate: None, ..code };
    let (outputs, seen) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&without)).await.expect("update");
    let changes = &seen.plan.as_ref().expect("plan").changes;
    assert!(changes.iter().all(|change| change.address.starts_with("Replicat")), "{changes:?}");
    assert!(!outputs.0.keys().any(|key| key.starts_with("Replicate")), "{outputs:?}");

    fixture.delete().await;
    fixture.delete().await;
    let error = cfn::outputs(&fixture.client, &fixture.stack()).await.expect_err("gone");
    assert!(matches!(error, Error::NoStack { .. }), "{error}");
    let left = queues(&fixture).await;
    assert!(left.is_empty(), "{left:?}");
}

/// A version keeps code and configuration; what runs is what the alias stands on.
#[tokio::test]
async fn another_function_is_another_version_and_the_alias_moves_to_it() {
    let mut fixture = Fixture::new("alias").await;
    let lambda = aws_sdk_lambda::Client::new(&fixture.config);
    let first = fixture.upload(BOOTSTRAP).await;
    let (outputs, _) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&first)).await.expect("create");
    let live = alias(&fixture, &lambda).await;
    assert_eq!(outputs.get("FunctionVersion").expect("output"), live.version);
    assert_eq!(live.memory_mb, 256);
    poison_alone_is_a_dead_letter(&fixture, &outputs).await;

    // Configuration is of the version too.
    fixture.settings.aws.ingest.memory_mb = 512;
    let (_, seen) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&first)).await.expect("another size");
    println!("{}", seen.plan());
    let larger = alias(&fixture, &lambda).await;
    assert_ne!(larger.version, live.version);
    assert_eq!(larger.memory_mb, 512);

    let second = fixture.upload(&format!("{BOOTSTRAP}# second\n")).await;
    fixture.apply(STACK_TEMPLATE, &fixture.parameters(&second)).await.expect("other code");
    let other = alias(&fixture, &lambda).await;
    assert_ne!(other.version, larger.version);
    assert_eq!(other.code_sha256, second.ingest.sha256_base64);

    // Code alone, past the stack; then the stack comes to the same code, publishes its own version, and goes on.
    let third = fixture.upload(&format!("{BOOTSTRAP}# third\n")).await;
    let by_hand = move_to(&fixture, &lambda, &third).await;
    assert_ne!(by_hand, other.version);
    let (outputs, _) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&third)).await.expect("the same code");
    let last = alias(&fixture, &lambda).await;
    assert_eq!(last.code_sha256, third.ingest.sha256_base64);
    assert_eq!(outputs.get("FunctionVersion").expect("output"), last.version);
    let (_, seen) =
        fixture.apply(STACK_TEMPLATE, &fixture.parameters(&third)).await.expect("nothing to do");
    assert!(seen.plan().contains("no changes"), "{}", seen.plan());

    // Each version is kept, so the alias can go back.
    let name = &fixture.settings.aws.ingest.name;
    let versions = lambda.list_versions_by_function().function_name(name).send().await;
    let versions = versions.expect("list the versions");
    let kept: Vec<&str> = versions.versions().iter().filter_map(|v| v.version()).collect();
    let all = [&live.version, &larger.version, &other.version, &by_hand, &last.version];
    assert!(all.iter().all(|version| kept.contains(&version.as_str())), "{kept:?} of {all:?}");
    fixture.delete().await;
}

/// The function's version behind the alias.
struct Live {
    version: String,
    memory_mb: i32,
    code_sha256: String,
}

async fn alias(fixture: &Fixture, lambda: &aws_sdk_lambda::Client) -> Live {
    let name = &fixture.settings.aws.ingest.name;
    let alias = lambda.get_alias().function_name(name).name("live").send().await;
    let version = alias.expect("the alias").function_version.expect("it has a version");
    let of_version =
        lambda.get_function_configuration().function_name(name).qualifier(&version).send().await;
    let of_version = of_version.expect("the version");
    Live {
        version,
        memory_mb: of_version.memory_size.expect("memory"),
        code_sha256: of_version.code_sha256.expect("hash"),
    }
}

/// Publishes other code and moves the alias to it, as a deploy of code alone does. Gives its version.
async fn move_to(fixture: &Fixture, lambda: &aws_sdk_lambda::Client, code: &Code) -> String {
    let name = &fixture.settings.aws.ingest.name;
    let update = lambda.update_function_code().function_name(name);
    let updated = update.s3_bucket(&code.bucket).s3_key(&code.ingest.key).send().await;
    assert_eq!(updated.expect("update").code_sha256(), Some(code.ingest.sha256_base64.as_str()));
    let published = lambda.publish_version().function_name(name).send().await.expect("publish");
    let version = published.version.expect("a version has a number");
    let alias = lambda.update_alias().function_name(name).name("live").function_version(&version);
    alias.send().await.expect("move the alias");
    version
}

async fn poison_alone_is_a_dead_letter(fixture: &Fixture, outputs: &Outputs) {
    let sqs = aws_sdk_sqs::Client::new(&fixture.config);
    let (queue, dead) = (
        outputs.get("QueueUrl").expect("output"),
        outputs.get("DeadLetterQueueUrl").expect("output"),
    );
    let mut batch = sqs.send_message_batch().queue_url(queue);
    for number in 0..10 {
        let body =
            if number % 5 == 0 { format!("poison {number}") } else { format!("trade {number}") };
        let entry = SendMessageBatchRequestEntry::builder()
            .id(number.to_string())
            .message_body(body)
            .build();
        batch = batch.entries(entry.expect("entry"));
    }
    batch.send().await.expect("send");

    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let counts = (depth(&sqs, queue).await, depth(&sqs, dead).await);
        if counts == (0, 2) {
            return;
        }
        assert!(Instant::now() < deadline, "queue and dead letters: {counts:?}, expected (0, 2)");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Messages in a queue, hidden ones counted.
async fn depth(sqs: &aws_sdk_sqs::Client, queue: &str) -> u32 {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let answer = sqs
        .get_queue_attributes()
        .queue_url(queue)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await;
    let answer = answer.expect("attributes");
    let attributes = answer.attributes().expect("attributes");
    names.iter().filter_map(|name| attributes.get(name)?.parse::<u32>().ok()).sum()
}

async fn queues(fixture: &Fixture) -> Vec<String> {
    let sqs = aws_sdk_sqs::Client::new(&fixture.config);
    let prefix = &fixture.settings.project.prefix;
    let answer = sqs.list_queues().queue_name_prefix(prefix).send().await.expect("list");
    answer.queue_urls().to_vec()
}

#[tokio::test]
async fn a_failure_names_the_first_resource_and_its_reason_and_is_cleared_away() {
    let fixture = Fixture::new("fail").await;
    let parameters = fixture.parameters(&fixture.upload(BOOTSTRAP).await);
    // Behind the template's and the settings' back: SQS takes 43,200 at most.
    let broken = STACK_TEMPLATE
        .replace("VisibilityTimeout: !Ref VisibilityTimeoutSeconds", "VisibilityTimeout: 999999");
    let error = fixture.apply(&broken, &parameters).await.err().expect("not a valid timeout");
    println!("{error}");
    let Error::Failed { resource, status, .. } = &error else { panic!("{error:?}") };
    assert_eq!(resource, "Queue (AWS::SQS::Queue)");
    assert_eq!(status, "ROLLBACK_COMPLETE");

    let (_, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("create");
    assert!(seen.cleared, "what the failed create left is deleted first");

    // An update that fails rolls back, and the stack can be updated again.
    let error = fixture.apply(&broken, &parameters).await.err().expect("not a valid timeout");
    println!("{error}");
    let rolled_back = "UPDATE_ROLLBACK_COMPLETE";
    assert!(matches!(&error, Error::Failed { status, .. } if status == rolled_back), "{error:?}");
    let (_, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("nothing to do");
    assert!(seen.plan().contains("no changes"), "{}", seen.plan());
    fixture.delete().await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_named() {
    let fixture = Fixture::new("taken").await;
    let parameters = fixture.parameters(&fixture.upload(BOOTSTRAP).await);
    let bucket = infra::names::aws_bucket(&fixture.settings, "000000000000");
    create_bucket(&fixture.config, &bucket).await.expect("someone else's bucket");
    let error = fixture.apply(STACK_TEMPLATE, &parameters).await.err().expect("the name is taken");
    println!("{error}");
    assert!(error.to_string().contains("ArchiveBucket (AWS::S3::Bucket): "), "{error}");
    fixture.delete().await;
}

#[tokio::test]
async fn a_template_that_is_wrong_changes_nothing() {
    let fixture = Fixture::new("wrong").await;
    for template in ["Resources: [", "Resources: {Q: {Type: 'AWS::Nothing::AtAll'}}"] {
        let error = fixture.apply(template, &BTreeMap::new()).await.err().expect("refused");
        println!("{error}");
        assert!(matches!(error, Error::Call { .. } | Error::Rejected { .. }), "{error:?}");
    }
    let error = fixture.apply(&"#".repeat(51_201), &BTreeMap::new()).await.err().expect("refused");
    assert!(matches!(error, Error::TemplateTooLarge { bytes: 51_201, .. }), "{error:?}");
    let error =
        cfn::outputs(&fixture.client, &fixture.stack()).await.expect_err("nothing was made");
    assert!(matches!(error, Error::NoStack { .. }), "{error:?}");
}

#[tokio::test]
async fn a_plan_that_was_interrupted_is_left_to_a_deploy_and_one_that_is_discarded_leaves_nothing()
{
    let fixture = Fixture::new("review").await;
    let template = "Resources: {Topic: {Type: 'AWS::SQS::Queue'}}";
    let stack = fixture.stack();
    fixture
        .client
        .create_change_set()
        .stack_name(&stack)
        .change_set_name("interrupted")
        .change_set_type(ChangeSetType::Create)
        .template_body(template)
        .send()
        .await
        .expect("leave a stack in review");
    let (none, limits) = (BTreeMap::new(), Limits::default());
    let request = StackRequest { name: &stack, template, parameters: &none, tags: &none };
    let plan = cfn::plan(&fixture.client, &request, &limits, &mut |_| ()).await.expect("plan");
    assert!(plan.creates);
    cfn::discard(&fixture.client, &plan, &limits).await.expect("discard");
    // The empty stack was made by another plan, which may still be looked at.
    let status = cfn::status(&fixture.client, &stack).await.expect("a status");
    assert_eq!(status.as_deref(), Some("REVIEW_IN_PROGRESS"));
    fixture.delete().await;

    let plan = cfn::plan(&fixture.client, &request, &limits, &mut |_| ()).await.expect("plan");
    cfn::discard(&fixture.client, &plan, &limits).await.expect("discard");
    let error = cfn::outputs(&fixture.client, &stack).await.expect_err("gone");
    assert!(matches!(error, Error::NoStack { .. }), "{error:?}");

    let plan = cfn::plan(&fixture.client, &request, &limits, &mut |_| ()).await.expect("plan");
    cfn::execute(&fixture.client, &plan, &limits, &mut |_| ()).await.expect("execute");
    fixture.delete().await;
}

#[tokio::test]
async fn two_deploys_at_once_both_end_well() {
    let fixture = Fixture::new("twice").await;
    let code = fixture.upload(BOOTSTRAP).await;
    let parameters = fixture.parameters(&code);
    let (first, second) = tokio::join!(
        fixture.apply(STACK_TEMPLATE, &parameters),
        fixture.apply(STACK_TEMPLATE, &parameters),
    );
    assert_eq!(first.expect("first").0, second.expect("second").0);
    let (_, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("run again");
    assert!(seen.plan().contains("no changes"), "{}", seen.plan());
    fixture.delete().await;
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named_as_the_cause() {
    // Port 9 is `discard`, which nothing listens on.
    let config =
        aws_config(Some("http://127.0.0.1:9"), "us-east-1", Some(emulator_credentials())).await;
    let error = cfn::outputs(&Client::new(&config), "any").await.expect_err("no endpoint");
    println!("{error}");
    assert!(error.to_string().contains("check the network and the endpoint"), "{error}");
}
