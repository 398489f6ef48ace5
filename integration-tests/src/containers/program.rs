//! The programs that images hold, and how each is started.

use super::{HOST, Run};
use crate::processes::emulators::{fake_gcs, firestore, ministack, pubsub};

/// The program in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `LocalStack`, for AWS.
    LocalStack,
    /// `LocalStack`'s code alone, without what its image brings: neither functions nor tables.
    LocalStackCode,
    /// ministack, for AWS.
    MiniStack,
    /// The Pub/Sub emulator's jar, behind an entry point that takes its arguments.
    PubSubJar,
    /// The Firestore emulator's jar, likewise.
    FirestoreJar,
    /// Google's command line, with its Pub/Sub emulator.
    PubSubOfCloudSdk,
    /// Google's command line, with its Firestore emulator.
    FirestoreOfCloudSdk,
    /// fake-gcs-server, for Cloud Storage.
    FakeGcsServer,
}

/// The address that a container listens on: it has a network of its own.
const ANYBODY: &str = "0.0.0.0";
/// The variable by which a user's token reaches a `LocalStack` that wants one.
const AUTH_TOKEN: &str = "LOCALSTACK_AUTH_TOKEN";

impl Program {
    /// A path that answers 200 once it is ready.
    pub(super) fn ready_path(self) -> &'static str {
        match self {
            Self::LocalStack | Self::LocalStackCode => "/_localstack/health",
            Self::MiniStack => ministack::READY_PATH,
            Self::PubSubJar | Self::PubSubOfCloudSdk => pubsub::READY_PATH,
            Self::FirestoreJar | Self::FirestoreOfCloudSdk => firestore::READY_PATH,
            Self::FakeGcsServer => fake_gcs::READY_PATH,
        }
    }

    /// The command line that follows the image's entry point.
    pub(super) fn arguments(self, port: u16) -> Vec<String> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
        match self {
            Self::LocalStack | Self::LocalStackCode | Self::MiniStack => Vec::new(),
            Self::PubSubJar => pubsub::arguments(ANYBODY, port),
            Self::FirestoreJar => firestore::arguments(ANYBODY, port),
            Self::PubSubOfCloudSdk => {
                words(format!("gcloud beta emulators pubsub start --host-port={ANYBODY}:{port}"))
            }
            Self::FirestoreOfCloudSdk => words(format!(
                "gcloud emulators firestore start --host-port={ANYBODY}:{port} --database-mode=firestore-native"
            )),
            Self::FakeGcsServer => fake_gcs::arguments(ANYBODY, port),
        }
    }

    /// The variables of its environment.
    pub(super) fn environment(
        self,
        run: &Run,
        name: &str,
        port: u16,
    ) -> Vec<(&'static str, String)> {
        match self {
            Self::MiniStack => {
                let endpoint = run.endpoint_for_functions.as_deref();
                ministack::environment(ANYBODY, port, &run.region, endpoint)
            }
            Self::LocalStackCode => localstack(port),
            Self::LocalStack => {
                // Functions are containers beside it; they go when everything of the run goes.
                let labels =
                    run.labels.iter().map(|(label, value)| format!("--label {label}={value}"));
                let host = format!("--add-host {HOST}:{}", run.gateway);
                let flags = labels.chain([host]).collect::<Vec<_>>().join(" ");
                let mut variables = localstack(port);
                variables.extend([
                    ("MAIN_CONTAINER_NAME", name.to_owned()),
                    ("LAMBDA_DOCKER_NETWORK", run.id.clone()),
                    ("LAMBDA_DOCKER_FLAGS", flags),
                ]);
                variables.extend(std::env::var(AUTH_TOKEN).ok().map(|token| (AUTH_TOKEN, token)));
                variables
            }
            _ => Vec::new(),
        }
    }
}

/// Variables of `LocalStack` in any image: its own address, and a ban on calls to anything else.
fn localstack(port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("GATEWAY_LISTEN", format!("{ANYBODY}:{port}")),
        ("LOCALSTACK_HOST", format!("127.0.0.1:{port}")),
        // Its own strategy puts a name before the host that only its makers' name server knows.
        ("SQS_ENDPOINT_STRATEGY", "path".to_owned()),
        ("SKIP_SSL_CERT_DOWNLOAD", "1".to_owned()),
        ("DISABLE_EVENTS", "1".to_owned()),
    ]
}
