//! What the official clients make of the fault proxy's faults, before the real emulators: the typed error, whether they try
//! again, and what became of the effect. How often they tried is what the proxy's events say.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use candle::{Candle, CandleKey, Interval, Price, Quantity, Symbol, Trade};
use cloud_aws::Clients;
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::aws::{aws_config, emulator_credentials};
use fault_proxy::{
    AwsError, Fault, FaultEventKind, GoogleError, HttpFault, Level, Loss, Match, OnEvent, Proxy,
    Which,
};
use firestore::errors::{BackoffError, FirestoreError};
use firestore::{FirestoreDb, FirestoreDbOptions};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use google_cloud_pubsub::client::{Publisher, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::retry_policy::RetryableErrors;
use harness::processes::emulators::{self, Running, StartError, ministack};
use pipeline::ports::{
    Archive as _, CandleStore as _, Fault as PortFault, Put, Queue as _, Stored,
};

use super::emulator_context;

/// Attempts of a call of AWS's SDK, the first one counted.
const ATTEMPTS: u32 = 3;

/// An emulator, a proxy before it that reads requests, and the details of its firings.
struct Before {
    proxy: Proxy,
    fired: Arc<Mutex<Vec<String>>>,
    _emulator: Running,
}

impl Before {
    async fn new(emulator: Result<Running, StartError>) -> Self {
        let emulator = emulator.expect("the emulator starts");
        let fired = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&fired);
        let on_event = OnEvent::new(move |event| {
            if let FaultEventKind::Fired { detail, .. } = event.happened {
                ears.lock().expect("nobody panicked").push(detail);
            }
        });
        let builder = Proxy::before(&emulator.endpoint).expect("an endpoint").level(Level::Http);
        let proxy = builder.on_event(on_event).start().await.expect("the proxy starts");
        Self { proxy, fired, _emulator: emulator }
    }

    /// Puts a fault in the place of all others.
    fn only(&self, fault: Fault) {
        self.proxy.faults().clear();
        self.fired.lock().expect("nobody panicked").clear();
        self.proxy.faults().add(fault).expect("a fault of requests");
    }

    /// Number of times that the fault fired, each time with these words at the end.
    fn fired(&self, end: &str) -> u32 {
        let fired = self.fired.lock().expect("nobody panicked");
        assert!(fired.iter().all(|detail| detail.ends_with(end)), "{fired:?}");
        u32::try_from(fired.len()).expect("a few")
    }

    /// Waits until the fault has fired.
    async fn has_fired(&self) {
        let fired = async {
            while self.fired("") == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), fired).await.expect("it fires");
    }
}

fn lost(loss: Loss) -> Fault {
    Fault::http(HttpFault::LostResponse { loss }).times(1)
}

fn twice() -> Fault {
    Fault::http(HttpFault::Duplicate { answer: Which::First }).times(1)
}

fn overtaken() -> Fault {
    Fault::http(HttpFault::Reorder { max_hold_ms: 20_000 }).times(1)
}

async fn aws(proxy: &Proxy) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(10));
    let endpoint = proxy.endpoint();
    let config = aws_config(Some(&endpoint), "eu-west-1", Some(emulator_credentials())).await;
    config.into_builder().retry_config(retries).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_and_its_sdk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before =
        Before::new(ministack::start(&context, &ministack::Options::default()).await).await;
    let sqs = Clients::new(&aws(&before.proxy).await).sqs;
    let url = sqs.create_queue().queue_name("faults").send().await.expect("a queue").queue_url;
    let url = url.expect("its URL");
    let send = || sqs.send_message().queue_url(&url).message_body("hello").send();
    let on = || Match::service("sqs").operation("SendMessage");

    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    send().await.expect("the third attempt passes");
    assert_eq!(before.fired("sqs SendMessage: 400 RequestThrottled"), 2);
    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let error = send().await.expect_err("all attempts are throttled");
    assert!(error.as_service_error().expect("of the service").is_request_throttled(), "{error:?}");
    assert_eq!(before.fired("400 RequestThrottled"), ATTEMPTS);
    for (error, code, end) in [
        (AwsError::Internal, "InternalFailure", "500 InternalFailure"),
        (AwsError::Unavailable, "ServiceUnavailable", "503 ServiceUnavailable"),
    ] {
        before.only(Fault::aws(error).on(on()));
        let error = send().await.expect_err("never available");
        assert_eq!(error.code(), Some(code));
        assert_eq!(before.fired(end), ATTEMPTS);
    }
    let denied = AwsError::Named {
        status: 403,
        code: "AccessDeniedException".to_owned(),
        message: "not you".to_owned(),
    };
    before.only(Fault::aws(denied).on(on()));
    let error = send().await.expect_err("not allowed");
    assert_eq!((error.code(), error.message()), (Some("AccessDeniedException"), Some("not you")));
    assert_eq!(before.fired("403 AccessDeniedException"), 1, "no use in trying again");

    let count = async || {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let get = sqs.get_queue_attributes().queue_url(&url).attribute_names(name.clone());
        let all = get.send().await.expect("attributes").attributes.unwrap_or_default();
        all[&name].parse::<u32>().expect("a number")
    };
    let messages = count().await;
    before.only(twice().on(on()));
    send().await.expect("it passes");
    assert_eq!(count().await, messages + 2, "one call, two messages");
    before.only(lost(Loss::Connection).on(on()));
    send().await.expect("the second attempt passes");
    assert_eq!(count().await, messages + 4, "the lost one had its effect");
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_and_its_sdk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before =
        Before::new(ministack::start(&context, &ministack::Options::default()).await).await;
    let dynamodb = Clients::new(&aws(&before.proxy).await).dynamodb;
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let text = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build();
    let table =
        dynamodb.create_table().table_name("faults").billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key.expect("a key")).attribute_definitions(text.expect("a text"));
    table.send().await.expect("a table");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = |pk: &str| {
        let put = dynamodb.put_item().table_name("faults").item("pk", text(pk));
        put.condition_expression("attribute_not_exists(pk)").send()
    };
    let on = || Match::service("dynamodb").operation("PutItem").region("eu-west-1");

    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    put("a").await.expect("the third attempt passes");
    assert_eq!(before.fired("400 ProvisionedThroughputExceededException"), 2);
    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let error = put("b").await.expect_err("all attempts are throttled").into_service_error();
    assert!(error.is_provisioned_throughput_exceeded_exception(), "{error:?}");
    assert_eq!(before.fired("400 ProvisionedThroughputExceededException"), ATTEMPTS);
    let named = AwsError::Named {
        status: 400,
        code: "ThrottlingException".to_owned(),
        message: "Rate exceeded".to_owned(),
    };
    before.only(Fault::aws(named).on(on()));
    let error = put("b").await.expect_err("all attempts are throttled").into_service_error();
    assert!(error.is_throttling_exception(), "{error:?}");
    assert_eq!(before.fired("400 ThrottlingException"), ATTEMPTS);
    before.only(Fault::aws(AwsError::Internal).on(on()));
    let error = put("b").await.expect_err("all attempts fail").into_service_error();
    assert!(error.is_internal_server_error(), "{error:?}");
    assert_eq!(before.fired("500 InternalServerError"), ATTEMPTS);
    before.only(Fault::aws(AwsError::Unavailable).on(on()));
    let error = put("b").await.expect_err("all attempts fail");
    assert_eq!(error.code(), Some("ServiceUnavailable"));
    assert_eq!(before.fired("503 ServiceUnavailable"), ATTEMPTS);

    // The effect is there, the answer is not; the SDK tries again and finds its own write.
    before.only(lost(Loss::Connection).on(on()));
    let error = put("b").await.expect_err("it is there already").into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
    before.only(Fault::http(HttpFault::LostRequest { loss: Loss::Connection }).on(on()).times(1));
    put("c").await.expect("the second attempt is the first to arrive");
    assert_eq!(before.fired("never sent"), 1);

    // The second of two that are both done: its own first one is what it finds.
    before.only(Fault::http(HttpFault::Duplicate { answer: Which::Last }).on(on()).times(1));
    let error = put("d").await.expect_err("it is there already").into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    // The first request is written last.
    let write = |value: &str| {
        let put = dynamodb.put_item().table_name("faults").item("pk", text("e"));
        put.item("value", text(value)).send()
    };
    before.only(overtaken().on(on()));
    let first = tokio::spawn(write("first"));
    before.has_fired().await;
    write("second").await.expect("it overtakes");
    first.await.expect("it ran").expect("it comes after");
    let get = |pk: &str| dynamodb.get_item().table_name("faults").key("pk", text(pk)).send();
    let item = get("e").await.expect("another operation").item.expect("it is there");
    assert_eq!(item["value"], text("first"));

    before.only(Fault::aws(AwsError::Throttling).on(on()));
    get("a").await.expect("another operation");
    assert_eq!(before.fired(""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_lambda_cloudformation_and_their_sdks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before =
        Before::new(ministack::start(&context, &ministack::Options::default()).await).await;
    let config = aws(&before.proxy).await;
    let s3 = Clients::new(&config).s3;
    deploy::artifact::create_bucket(&config, "faults").await.expect("a bucket");
    let put = |key: &str| {
        let put = s3.put_object().bucket("faults").key(key).if_none_match("*");
        put.body(vec![7; 100_000].into()).send()
    };
    let on = || Match::service("s3").operation("PutObject");

    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    put("a").await.expect("the third attempt passes");
    assert_eq!(before.fired("503 SlowDown"), 2);
    for (error, code, end) in [
        (AwsError::Throttling, "SlowDown", "503 SlowDown"),
        (AwsError::Internal, "InternalError", "500 InternalError"),
        (AwsError::Unavailable, "ServiceUnavailable", "503 ServiceUnavailable"),
    ] {
        before.only(Fault::aws(error).on(on()));
        let error = put("b").await.expect_err("all attempts fail");
        assert_eq!(error.code(), Some(code));
        assert_eq!(before.fired(end), ATTEMPTS);
    }
    before.only(lost(Loss::Connection).on(on()));
    let error = put("b").await.expect_err("it is there already");
    assert_eq!(error.code(), Some("PreconditionFailed"));
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
    // HEAD has no body to say it in.
    before.only(Fault::aws(AwsError::Throttling).on(Match::service("s3").operation("HeadObject")));
    let error = s3.head_object().bucket("faults").key("b").send().await.expect_err("throttled");
    assert_eq!(error.raw_response().expect("an answer").status().as_u16(), 503);
    assert_eq!(before.fired("s3 HeadObject: 503 SlowDown"), ATTEMPTS);
    before.only(Fault::http(HttpFault::SlowBody { bytes_per_s: 1_000_000 }));
    let got = s3.get_object().bucket("faults").key("b").send().await.expect("it is there");
    let bytes = got.body.collect().await.expect("it arrives slowly").into_bytes();
    assert_eq!(bytes, vec![7; 100_000]);
    assert_eq!(before.fired("GetObject: 1000000 bytes/s"), 1);

    let lambda = aws_sdk_lambda::Client::new(&config);
    let invoke = || lambda.invoke().function_name("f").send();
    let on = || Match::service("lambda").operation("Invoke");
    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let error = invoke().await.expect_err("throttled").into_service_error();
    assert!(error.is_too_many_requests_exception(), "{error:?}");
    assert_eq!(before.fired("lambda Invoke: 429 TooManyRequestsException"), ATTEMPTS);
    before.only(Fault::aws(AwsError::Internal).on(on()));
    let error = invoke().await.expect_err("it fails").into_service_error();
    assert!(error.is_service_exception(), "{error:?}");
    assert_eq!(before.fired("500 ServiceException"), ATTEMPTS);
    before.only(Fault::aws(AwsError::Unavailable).on(on()).times(2));
    let error = invoke().await.expect_err("the third attempt passes").into_service_error();
    assert!(error.is_resource_not_found_exception(), "there is no function: {error:?}");
    assert_eq!(before.fired("503 ServiceUnavailableException"), 2);

    let stacks = aws_sdk_cloudformation::Client::new(&config);
    let on = || Match::service("cloudformation").operation("DescribeStacks");
    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    stacks.describe_stacks().send().await.expect("the third attempt passes");
    for (error, told, end) in [
        (AwsError::Throttling, ("Throttling", "Rate exceeded"), "400 Throttling"),
        (
            AwsError::Unavailable,
            (
                "ServiceUnavailable",
                "The request has failed due to a temporary failure of the server.",
            ),
            "503 ServiceUnavailable",
        ),
    ] {
        before.only(Fault::aws(error).on(on()));
        let error = stacks.describe_stacks().send().await.expect_err("it fails");
        assert_eq!((error.code(), error.message()), (Some(told.0), Some(told.1)));
        assert_eq!(before.fired(end), ATTEMPTS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pubsub_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before = Before::new(emulators::pubsub::start(&context).await).await;
    let endpoint = before.proxy.endpoint();
    let (topic, subscription) = ("projects/p/topics/faults", "projects/p/subscriptions/faults");
    let nobody = || anonymous::Builder::new().build();
    let admin = TopicAdmin::builder().with_endpoint(&endpoint).with_credentials(nobody());
    let admin = admin.build().await.expect("a client");
    admin.create_topic().set_name(topic).send().await.expect("a topic");
    let reader = SubscriptionAdmin::builder().with_endpoint(&endpoint).with_credentials(nobody());
    let reader = reader.build().await.expect("a client");
    let made = reader.create_subscription().set_name(subscription).set_topic(topic).send();
    made.await.expect("a subscription");

    // The client speaks REST here. Reading can be repeated, and is, after an answer that the service is unavailable.
    let get = Match::service("pubsub").operation("topics.get");
    before.only(Fault::google(GoogleError::Unavailable).on(get.clone()).times(1));
    admin.get_topic().set_topic(topic).send().await.expect("the second attempt passes");
    assert_eq!(before.fired("pubsub topics.get: UNAVAILABLE"), 1);
    for (error, code) in [
        (GoogleError::Aborted, "ABORTED"),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (GoogleError::Unauthenticated, "UNAUTHENTICATED"),
    ] {
        before.only(Fault::google(error).on(get.clone()));
        let error = admin.get_topic().set_topic(topic).send().await.expect_err("it fails");
        let status = error.status().expect("a status");
        assert_eq!(status.code.name(), code, "{error:?}");
        assert_eq!(before.fired(code), 1, "not one that is tried again");
    }

    let publisher = Publisher::builder(topic)
        .with_endpoint(&endpoint)
        .with_credentials(nobody())
        .with_retry_policy(RetryableErrors.with_attempt_limit(2));
    let publisher = publisher.build().await.expect("a publisher");
    let publish = async |text: &'static str| {
        let published = publisher.publish(Message::new().set_data(text));
        publisher.flush().await;
        published.await
    };
    let code = |error: PublishError| match error {
        PublishError::Rpc(error) => {
            error.status().expect("a status of gRPC").code.name().to_owned()
        }
        error => error.to_string(),
    };
    let on = || Match::service("pubsub").operation("Publish");
    for (error, name) in [
        (GoogleError::Unavailable, "UNAVAILABLE"),
        (GoogleError::Aborted, "ABORTED"),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    ] {
        before.only(Fault::google(error).on(on()).times(1));
        publish("again").await.expect("the second attempt passes");
        assert_eq!(before.fired(name), 1);
        before.only(Fault::google(error).on(on()));
        let error = publish("never").await.expect_err("both attempts fail");
        assert_eq!((code(error).as_str(), before.fired(name)), (name, 2));
    }
    before.only(Fault::google(GoogleError::PermissionDenied).on(on()));
    let error = publish("never").await.expect_err("not allowed");
    assert_eq!((code(error).as_str(), before.fired("")), ("PERMISSION_DENIED", 1));

    // The port's own client, with the policy that it has.
    let queue = PubSubQueue::connect(Some(&endpoint), "p", "faults", "faults").await;
    let queue = queue.expect("a client");
    before.only(Fault::google(GoogleError::Unavailable).on(on()).times(1));
    for answer in queue.publish(vec!["again".to_owned()]).await {
        answer.expect("the second attempt passes");
    }

    // With nothing but one stream or the whole connection lost: both are tried again, so both are there twice.
    for (loss, text) in [(Loss::Stream, "lost"), (Loss::Connection, "reset")] {
        before.only(lost(loss).on(on()));
        publish(text).await.expect("the second attempt passes");
        assert_eq!(before.fired("is lost"), 1);
    }
    before.only(twice().on(on()));
    publish("twice").await.expect("it passes");
    before.only(overtaken().on(on()));
    let first = publisher.publish(Message::new().set_data("first"));
    let flushing = publisher.clone();
    let flushing = tokio::spawn(async move { flushing.flush().await });
    before.has_fired().await;
    let second = queue.publish(vec!["second".to_owned()]).await.remove(0).expect("it overtakes");
    flushing.await.expect("it ran");
    let number = |id: &str| id.parse::<u64>().expect("a number");
    assert!(number(&second.0) < number(&first.await.expect("it comes after")));

    let mut texts = Vec::new();
    while let received = queue.receive(100).await.expect("messages")
        && !received.is_empty()
    {
        for message in received {
            texts.push(String::from_utf8(message.body.to_vec()).expect("a text"));
            queue.acknowledge(&message.receipt).await.expect("it is acknowledged");
        }
    }
    texts.sort_unstable();
    let expected = [vec!["again"; 5], vec!["first", "lost", "lost", "reset", "reset", "second"]];
    let expected = [expected.concat(), vec!["twice"; 2]].concat();
    assert_eq!(texts, expected, "each refused one never arrived, each lost one did, twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn firestore_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before = Before::new(emulators::firestore::start(&context).await).await;
    let endpoint = before.proxy.endpoint();
    let store = FirestoreStore::connect(Some(&endpoint), "p", "(default)", "candles").await;
    let store = store.expect("a client");
    let symbol: Symbol = "FAULTS".parse().expect("a symbol");
    let candle = |open_time_ms| {
        let key = CandleKey { symbol: symbol.clone(), interval: Interval::M1, open_time_ms };
        let trade = Trade {
            id: 1,
            time_ms: open_time_ms,
            price: Price::from_units(1).expect("a price"),
            quantity: Quantity::from_units(1).expect("a quantity"),
            buyer_is_maker: false,
        };
        Candle::new(key, &trade).expect("a candle")
    };
    let on = || Match::service("firestore").operation("UpdateDocument");

    // A single write isn't tried again by the client; what it means to the port is another matter.
    let second = candle(120_000);
    for (error, name, fault) in [
        (GoogleError::Unavailable, "UNAVAILABLE", PortFault::Unknown),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED", PortFault::Unknown),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED", PortFault::Unknown),
        (GoogleError::Internal, "INTERNAL", PortFault::Unknown),
        (GoogleError::PermissionDenied, "PERMISSION_DENIED", PortFault::Refused),
    ] {
        before.only(Fault::google(error).on(on()));
        let error = store.store(&second, None).await.expect_err("it fails");
        assert_eq!((error.fault, before.fired(name)), (fault, 1), "{error}");
    }
    // Contention is a lost compare-and-set to the port: nothing was written.
    before.only(Fault::google(GoogleError::Aborted).on(on()));
    assert_eq!(store.store(&second, None).await.expect("an answer"), Stored::Conflict);
    assert_eq!(before.fired("firestore UpdateDocument: ABORTED"), 1);

    before.only(lost(Loss::Stream).on(on()));
    let error = store.store(&second, None).await.expect_err("no answer");
    assert_eq!((error.fault, before.fired("the answer 200 OK is lost")), (PortFault::Unknown, 1));
    let loaded = store.load(second.key()).await.expect("it can be read");
    assert_eq!(loaded.map(|(candle, _)| candle), Some(second), "the lost answer was of a write");
    before.only(twice().on(on()));
    let third = candle(180_000);
    assert_eq!(store.store(&third, None).await.expect("the first answer"), Stored::Written);
    assert_eq!(before.fired("sent twice"), 1, "the other one found it there");

    // A transaction is begun again if its commit is aborted, and only then.
    let options = FirestoreDbOptions::new("p".to_owned()).with_firebase_api_url(endpoint);
    let nobody = anonymous::Builder::new().build();
    let db = FirestoreDb::with_options_auth(options, nobody).await.expect("a client");
    let runs = AtomicU32::new(0);
    let committed = async || {
        let run = db.run_transaction(|db, transaction| {
            let number = runs.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move {
                let update = db.fluent().update().in_col("runs").document_id("last");
                update.object(&Run { number }).add_to_transaction(transaction)?;
                Ok::<_, BackoffError<FirestoreError>>(())
            })
        });
        run.await
    };
    let on = || Match::service("firestore").operation("Commit");
    before.only(Fault::google(GoogleError::Aborted).on(on()).times(1));
    committed().await.expect("the second attempt passes");
    assert_eq!(before.fired("firestore Commit: ABORTED"), 1);
    for (error, name) in [
        (GoogleError::Unavailable, "UNAVAILABLE"),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    ] {
        before.only(Fault::google(error).on(on()));
        committed().await.expect_err("it fails");
        assert_eq!(before.fired(name), 1, "it may have happened, so it is not tried again");
    }
    let last = db.fluent().select().by_id_in("runs").obj::<Run>().one("last").await;
    assert_eq!(last.expect("it can be read").map(|run| run.number), Some(2), "of 5 runs");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Run {
    number: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_storage_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let before = Before::new(emulators::fake_gcs::start(&context).await).await;
    let endpoint = before.proxy.endpoint();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let made = client.post(format!("{endpoint}/storage/v1/b?project=p"));
    let made =
        made.json(&serde_json::json!({ "name": "faults" })).send().await.expect("it answers");
    assert!(made.status().is_success());
    let archive = GcsArchive::connect(Some(&endpoint), "faults").await.expect("a client");
    let put = |name: &'static str| archive.put_if_absent(name, vec![7; 1000].into());
    let on = || Match::service("storage").operation("objects.insert");

    for (error, name) in [
        (GoogleError::Unavailable, "UNAVAILABLE"),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    ] {
        before.only(Fault::google(error).on(on()).times(1));
        assert_eq!(put(name).await.expect("the second attempt passes"), Put::Created);
        assert_eq!(before.fired(name), 1);
    }
    for (error, name) in
        [(GoogleError::Aborted, "ABORTED"), (GoogleError::PermissionDenied, "PERMISSION_DENIED")]
    {
        before.only(Fault::google(error).on(on()));
        let error = put(name).await.expect_err("it fails");
        assert_eq!((error.fault, before.fired(name)), (PortFault::Refused, 1));
        assert_eq!(archive.get(name).await.expect("it can be asked for"), None);
    }

    // The first attempt made the object; the second finds it.
    before.only(lost(Loss::Connection).on(on()));
    assert_eq!(put("a/lost").await.expect("an answer"), Put::Present);
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
    before.only(twice().on(on()));
    assert_eq!(put("a/twice").await.expect("the first answer"), Put::Created);

    let get = Match::service("storage").operation("objects.get");
    before.only(Fault::google(GoogleError::Unavailable).on(get).times(1));
    let content = archive.get("a/lost").await.expect("the second attempt passes");
    assert_eq!(content.as_deref(), Some(&[7; 1000][..]));
    assert_eq!(before.fired("objects.get: UNAVAILABLE"), 1);
    let list = Match::service("storage").operation("objects.list");
    before.only(Fault::google(GoogleError::Unavailable).on(list));
    let error = archive.list("a", None, 10).await.expect_err("it is away");
    assert_eq!((error.fault, before.fired("objects.list: UNAVAILABLE")), (PortFault::Unknown, 1));

    // Large ones are sent to an address that the first answer names: it is the proxy's. Not by Google's client: it leaves
    // the port out of `host`, and fake-gcs-server makes the address of that.
    before.proxy.faults().clear();
    let inserts = || before.proxy.requests()[&("storage".to_owned(), "objects.insert".to_owned())];
    let (seen, large) = (inserts(), vec![7; 20_000_000]);
    let begin = format!("{endpoint}/upload/storage/v1/b/faults/o?uploadType=resumable&name=large");
    let begun = client.post(begin).json(&serde_json::json!({})).send().await.expect("it answers");
    let place = begun.headers()["location"].to_str().expect("an address").to_owned();
    assert!(place.starts_with(&endpoint), "{place}");
    let sent = client.put(place).body(large.clone()).send().await.expect("it answers");
    assert!(sent.status().is_success(), "{sent:?}");
    assert_eq!(inserts(), seen + 2, "one to begin, one with bytes");
    let whole = format!("{endpoint}/storage/v1/b/faults/o/large?alt=media");
    let whole = client.get(whole).send().await.expect("it answers").bytes().await.expect("whole");
    assert!(whole[..] == large[..], "{} bytes", whole.len());
    // Larger than any object of the archive.
    let refused = archive.get("large").await.expect_err("it is not read to its end");
    assert_eq!(refused.fault, PortFault::Corrupt);
}
