//! What the official SDKs make of the fault proxy's errors, before the real emulators: the typed error, and whether they
//! try again. How often they did is what the proxy's events say.

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
    AwsError, Fault, GoogleError, Happened, HttpFault, Level, Loss, Match, OnEvent, Proxy, Which,
};
use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::TopicAdmin;
use harness::processes::emulators::{self, Running, ministack};
use pipeline::ports::{
    Archive as _, CandleStore as _, Fault as PortFault, Put, Queue as _, Stored,
};

use super::emulator_context;

/// Attempts of a call of AWS's SDK, the first one counted.
const ATTEMPTS: u32 = 3;

/// A proxy that reads requests, and the details of its firings.
struct Before {
    proxy: Proxy,
    fired: Arc<Mutex<Vec<String>>>,
}

impl Before {
    async fn new(emulator: &Running) -> Self {
        let fired = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&fired);
        let on_event = OnEvent::new(move |event| {
            if let Happened::Fired { detail, .. } = event.happened {
                ears.lock().expect("nobody panicked").push(detail);
            }
        });
        let builder = Proxy::before(&emulator.endpoint).expect("an endpoint").level(Level::Http);
        let proxy = builder.on_event(on_event).start().await.expect("the proxy starts");
        Self { proxy, fired }
    }

    /// Puts a fault in the place of all others.
    fn only(&self, fault: Fault) {
        self.proxy.faults().clear();
        self.fired.lock().expect("nobody panicked").clear();
        self.proxy.faults().add(fault).expect("a fault of requests");
    }

    /// How often the fault fired, each time with these words at the end.
    fn fired(&self, end: &str) -> usize {
        let fired = self.fired.lock().expect("nobody panicked");
        assert!(fired.iter().all(|detail| detail.ends_with(end)), "{fired:?}");
        fired.len()
    }
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
    let emulator = ministack::start(&context, &ministack::Options::default()).await;
    let before = Before::new(&emulator.expect("ministack starts")).await;
    let sqs = Clients::new(&aws(&before.proxy).await).sqs;
    let url = sqs.create_queue().queue_name("faults").send().await.expect("a queue").queue_url;
    let url = url.expect("its URL");
    let send = || sqs.send_message().queue_url(&url).message_body("hello").send();
    let on = || Match::service("sqs").operation("SendMessage");

    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    send().await.expect("the third attempt passes");
    assert_eq!(before.fired("SendMessage: 400 RequestThrottled"), 2);

    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let error = send().await.expect_err("all attempts are throttled");
    assert!(error.as_service_error().expect("of the service").is_request_throttled(), "{error:?}");
    assert_eq!(before.fired("400 RequestThrottled"), 3);

    before.only(Fault::aws(AwsError::Unavailable).on(on()));
    let error = send().await.expect_err("never available");
    assert_eq!(error.code(), Some("ServiceUnavailable"));
    assert_eq!(before.fired("503 ServiceUnavailable"), 3);

    let denied = AwsError::Named {
        status: 403,
        code: "AccessDeniedException".to_owned(),
        message: "not you".to_owned(),
    };
    before.only(Fault::aws(denied).on(on()));
    let error = send().await.expect_err("not allowed");
    assert_eq!((error.code(), error.message()), (Some("AccessDeniedException"), Some("not you")));
    assert_eq!(before.fired("403 AccessDeniedException"), 1, "no use in trying again");

    before.only(Fault::http(HttpFault::Duplicate { answer: Which::First }).on(on()).times(1));
    let count = async || {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let get = sqs.get_queue_attributes().queue_url(&url).attribute_names(name.clone());
        let all = get.send().await.expect("attributes").attributes.unwrap_or_default();
        all[&name].parse::<u32>().expect("a number")
    };
    let messages = count().await;
    send().await.expect("it passes");
    assert_eq!(count().await, messages + 2, "one call, two messages");
    before.only(Fault::http(HttpFault::LostResponse { loss: Loss::Connection }).on(on()).times(1));
    send().await.expect("the second attempt passes");
    assert_eq!(count().await, messages + 4, "the lost one had its effect");
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_and_its_sdk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = ministack::start(&context, &ministack::Options::default()).await;
    let before = Before::new(&emulator.expect("ministack starts")).await;
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
    let put = |pk: &str| {
        let put = dynamodb.put_item().table_name("faults");
        let put = put.item("pk", AttributeValue::S(pk.to_owned()));
        put.condition_expression("attribute_not_exists(pk)").send()
    };
    let on = || Match::service("dynamodb").operation("PutItem").region("eu-west-1");

    before.only(Fault::aws(AwsError::Throttling).on(on()).times(2));
    put("a").await.expect("the third attempt passes");
    assert_eq!(before.fired("400 ProvisionedThroughputExceededException"), 2);

    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let error = put("b").await.expect_err("all attempts are throttled").into_service_error();
    assert!(error.is_provisioned_throughput_exceeded_exception(), "{error:?}");
    assert_eq!(before.fired("400 ProvisionedThroughputExceededException"), 3);

    let named = AwsError::Named {
        status: 400,
        code: "ThrottlingException".to_owned(),
        message: "Rate exceeded".to_owned(),
    };
    before.only(Fault::aws(named).on(on()));
    let error = put("b").await.expect_err("all attempts are throttled").into_service_error();
    assert!(error.is_throttling_exception(), "{error:?}");
    assert_eq!(before.fired("400 ThrottlingException"), 3);

    before.only(Fault::aws(AwsError::Internal).on(on()));
    let error = put("b").await.expect_err("all attempts fail").into_service_error();
    assert!(error.is_internal_server_error(), "{error:?}");
    assert_eq!(before.fired("500 InternalServerError"), 3);

    // The effect is there, the answer is not; the SDK tries again and finds its own write.
    before.only(Fault::http(HttpFault::LostResponse { loss: Loss::Connection }).on(on()).times(1));
    let error = put("b").await.expect_err("it is there already").into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);

    before.only(Fault::http(HttpFault::LostRequest { loss: Loss::Connection }).on(on()).times(1));
    put("c").await.expect("the second attempt is the first to arrive");
    assert_eq!(before.fired("never sent"), 1);

    before.only(Fault::aws(AwsError::Throttling).on(on()));
    let get = dynamodb.get_item().table_name("faults");
    get.key("pk", AttributeValue::S("a".to_owned())).send().await.expect("another operation");
    assert_eq!(before.fired(""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_lambda_cloudformation_and_their_sdks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = ministack::start(&context, &ministack::Options::default()).await;
    let before = Before::new(&emulator.expect("ministack starts")).await;
    let config = aws(&before.proxy).await;
    let s3 = Clients::new(&config).s3;
    s3.create_bucket().bucket("faults").send().await.expect("a bucket");
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
        assert_eq!(before.fired(end), 3);
    }
    before.only(Fault::http(HttpFault::LostResponse { loss: Loss::Connection }).on(on()).times(1));
    let error = put("b").await.expect_err("it is there already");
    assert_eq!(error.code(), Some("PreconditionFailed"));
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
    before.only(Fault::http(HttpFault::SlowBody { bytes_per_s: 1_000_000 }));
    let got = s3.get_object().bucket("faults").key("b").send().await.expect("it is there");
    let bytes = got.body.collect().await.expect("it arrives slowly").into_bytes();
    assert_eq!(bytes, vec![7; 100_000]);
    assert_eq!(before.fired("GetObject: 1000000 bytes/s"), 1);

    let lambda = aws_sdk_lambda::Client::new(&config);
    before.only(Fault::aws(AwsError::Throttling).on(Match::service("lambda").operation("Invoke")));
    let error = lambda.invoke().function_name("f").send().await.expect_err("throttled");
    assert!(error.into_service_error().is_too_many_requests_exception());
    assert_eq!(before.fired("Invoke: 429 TooManyRequestsException"), 3);

    let stacks = aws_sdk_cloudformation::Client::new(&config);
    let on = Match::service("cloudformation").operation("DescribeStacks");
    before.only(Fault::aws(AwsError::Throttling).on(on.clone()).times(2));
    stacks.describe_stacks().send().await.expect("the third attempt passes");
    before.only(Fault::aws(AwsError::Throttling).on(on));
    let error = stacks.describe_stacks().send().await.expect_err("throttled");
    assert_eq!((error.code(), error.message()), (Some("Throttling"), Some("Rate exceeded")));
    assert_eq!(before.fired("DescribeStacks: 400 Throttling"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pubsub_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = emulators::pubsub::start(&context).await.expect("Pub/Sub starts");
    let before = Before::new(&emulator).await;
    let endpoint = before.proxy.endpoint();
    let admin = TopicAdmin::builder()
        .with_endpoint(&endpoint)
        .with_credentials(anonymous::Builder::new().build());
    let admin = admin.build().await.expect("a client");
    let topic = "projects/p/topics/faults";
    admin.create_topic().set_name(topic).send().await.expect("a topic");

    // Reading can be repeated, and is.
    let get = Match::path("/google.pubsub.v1.Publisher/GetTopic");
    before.only(Fault::google(GoogleError::Unavailable).on(get.clone()).times(2));
    admin.get_topic().set_topic(topic).send().await.expect("the third attempt passes");
    assert_eq!(before.fired("pubsub GetTopic: UNAVAILABLE"), 2);
    for (error, code) in [
        (GoogleError::Aborted, "ABORTED"),
        (GoogleError::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (GoogleError::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    ] {
        before.only(Fault::google(error).on(get.clone()));
        let error = admin.get_topic().set_topic(topic).send().await.expect_err("it fails");
        let status = error.status().expect("a status of gRPC");
        assert_eq!(status.code.name(), code, "{error:?}");
        assert_eq!(before.fired(code), 1, "not one that is tried again");
    }

    let queue = PubSubQueue::connect(Some(&endpoint), "p", "faults", "none").await;
    let queue = queue.expect("a publisher");
    let publish = Match::service("pubsub").operation("Publish");
    before.only(Fault::google(GoogleError::Unavailable).on(publish.clone()).times(2));
    for answer in queue.publish(vec!["hello".to_owned()]).await {
        answer.expect("the third attempt passes");
    }
    assert_eq!(before.fired("pubsub Publish: UNAVAILABLE"), 2);
    before.only(Fault::google(GoogleError::PermissionDenied).on(publish));
    for answer in queue.publish(vec!["hello".to_owned()]).await {
        let error = answer.expect_err("not allowed").to_string();
        assert!(error.contains("does not have permission"), "{error}");
    }
    assert_eq!(before.fired("PERMISSION_DENIED"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn firestore_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = emulators::firestore::start(&context).await.expect("Firestore starts");
    let before = Before::new(&emulator).await;
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
    let on = || Match::path("/google.firestore.v1.Firestore/").operation("UpdateDocument");

    before.only(Fault::google(GoogleError::Unavailable).on(on()).times(2));
    let first = candle(60_000);
    assert_eq!(store.store(&first, None).await.expect("it is written"), Stored::Written);
    assert_eq!(before.fired("UpdateDocument: UNAVAILABLE"), 2, "the client tried again");

    // Contention is a lost compare-and-set to the port: nothing was written.
    before.only(Fault::google(GoogleError::Aborted).on(on()));
    let second = candle(120_000);
    assert_eq!(store.store(&second, None).await.expect("an answer"), Stored::Conflict);
    assert!(before.fired("ABORTED") >= 1);
    before.only(Fault::google(GoogleError::ResourceExhausted).on(on()));
    let error = store.store(&second, None).await.expect_err("over quota");
    eprintln!("RESOURCE_EXHAUSTED: {} attempts, {error}", before.fired("RESOURCE_EXHAUSTED"));
    before.only(Fault::google(GoogleError::PermissionDenied).on(on()));
    let error = store.store(&second, None).await.expect_err("not allowed");
    assert_eq!((error.fault, before.fired("PERMISSION_DENIED")), (PortFault::Refused, 1));

    let lost = HttpFault::LostResponse { loss: Loss::Stream };
    before.only(Fault::http(lost).on(on()).times(1));
    let answer = store.store(&second, None).await;
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);
    assert!(!matches!(answer, Ok(Stored::Written)), "{answer:?}");
    before.proxy.faults().clear();
    let loaded = store.load(second.key()).await.expect("it can be read");
    assert_eq!(loaded.map(|(candle, _)| candle), Some(second), "the lost answer was of a write");
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_storage_and_its_client() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let emulator = emulators::fake_gcs::start(&context).await.expect("fake-gcs-server starts");
    let before = Before::new(&emulator).await;
    let endpoint = before.proxy.endpoint();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let made = client.post(format!("{endpoint}/storage/v1/b?project=p"));
    let made =
        made.json(&serde_json::json!({ "name": "faults" })).send().await.expect("it answers");
    assert!(made.status().is_success());
    let archive = GcsArchive::connect(Some(&endpoint), "faults").await.expect("a client");
    let put = |name: &'static str| archive.put_if_absent(name, vec![7; 1000].into());
    let on = || Match::service("storage").operation("objects.insert");

    for error in [GoogleError::Unavailable, GoogleError::ResourceExhausted] {
        let name = if error == GoogleError::Unavailable { "a/a" } else { "a/b" };
        before.only(Fault::google(error).on(on()).times(2));
        assert_eq!(put(name).await.expect("the third attempt passes"), Put::Created);
        assert_eq!(before.fired(""), 2);
    }
    before.only(Fault::google(GoogleError::PermissionDenied).on(on()));
    let error = put("a/c").await.expect_err("not allowed");
    assert_eq!((error.fault, before.fired("PERMISSION_DENIED")), (PortFault::Refused, 1));

    // The first attempt made the object; the second finds it.
    before.only(Fault::http(HttpFault::LostResponse { loss: Loss::Connection }).on(on()).times(1));
    assert_eq!(put("a/c").await.expect("an answer"), Put::Present);
    assert_eq!(before.fired("the answer 200 OK is lost"), 1);

    let get = Match::service("storage").operation("objects.get");
    before.only(Fault::google(GoogleError::Unavailable).on(get).times(1));
    let content = archive.get("a/c").await.expect("the second attempt passes");
    assert_eq!(content.as_deref(), Some(&[7; 1000][..]));
    assert_eq!(before.fired("objects.get: UNAVAILABLE"), 1);
}
