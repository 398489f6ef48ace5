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
use infra::package::{Artifact, lambda_zip};
use infra::render::{CodeLocation, STACK_TEMPLATE, stack_parameters, tags};

use super::emulator_context;

/// Takes a batch, fails the messages that say so, and tells its environment when asked.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(answer)
    failed = [r["messageId"] for r in event["Records"] if "poison" in r["body"]]
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

    async fn upload(&self) -> CodeLocation {
        let bucket = infra::names::aws_artifact_bucket(&self.settings, "000000000000");
        create_bucket(&self.config, &bucket).await.expect("create the bucket");
        create_bucket(&self.config, &bucket).await.expect("it is there already");
        let folder = tempfile::tempdir().expect("folder");
        let bootstrap = folder.path().join("bootstrap");
        std::fs::write(&bootstrap, BOOTSTRAP).expect("write");
        let digest = lambda_zip(&bootstrap, &folder.path().join("ingest.zip")).expect("zip");
        let artifact = Artifact {
            name: "aws-ingest".to_owned(),
            path: "ingest.zip".to_owned(),
            bytes: digest.bytes,
            sha256: digest.sha256,
            arch: "x86_64".to_owned(),
            glibc_max: None,
            uncompressed_bytes: BOOTSTRAP.len() as u64,
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
        code
    }

    fn parameters(&self, code: &CodeLocation) -> BTreeMap<String, String> {
        stack_parameters(&self.settings, code, Some(&self.endpoint))
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
            Progress::Waiting { .. } => {}
        }
    }

    fn plan(&self) -> String {
        self.plan.as_ref().expect("there was a plan").to_string()
    }
}

#[tokio::test]
async fn made_used_changed_and_deleted() {
    let fixture = Fixture::new("life").await;
    let code = fixture.upload().await;
    let mut parameters = fixture.parameters(&code);

    let started = Instant::now();
    let (outputs, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("create");
    println!("created in {:?}\n{}\n{}", started.elapsed(), seen.plan(), seen.events.join("\n"));
    assert!(seen.plan.as_ref().is_some_and(|plan| plan.creates && plan.changes.len() == 9));
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

    parameters.insert("MemoryMegabytes".to_owned(), "512".to_owned());
    let (_, seen) = fixture.apply(STACK_TEMPLATE, &parameters).await.expect("update");
    println!("{}", seen.plan());
    let changes = &seen.plan.as_ref().expect("plan").changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].address, "IngestFunction");
    assert_eq!(changes[0].properties.len(), 1, "{changes:?}");
    assert_eq!(changes[0].properties[0].path, "/Properties/MemorySize");

    fixture.delete().await;
    fixture.delete().await;
    let error = cfn::outputs(&fixture.client, &fixture.stack()).await.expect_err("gone");
    assert!(matches!(error, Error::NoStack { .. }), "{error}");
    let left = queues(&fixture).await;
    assert!(left.is_empty(), "{left:?}");
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
    let parameters = fixture.parameters(&fixture.upload().await);
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
    let parameters = fixture.parameters(&fixture.upload().await);
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
async fn a_plan_that_was_interrupted_is_taken_up_and_one_that_is_discarded_leaves_nothing() {
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
    let error = cfn::outputs(&fixture.client, &stack).await.expect_err("gone");
    assert!(matches!(error, Error::NoStack { .. }), "{error:?}");

    let plan = cfn::plan(&fixture.client, &request, &limits, &mut |_| ()).await.expect("plan");
    cfn::execute(&fixture.client, &plan, &limits, &mut |_| ()).await.expect("execute");
    fixture.delete().await;
}

#[tokio::test]
async fn two_deploys_at_once_both_end_well() {
    let fixture = Fixture::new("twice").await;
    let code = fixture.upload().await;
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
