use super::*;
use crate::fake_aws::stacks::Stacks;
use crate::fake_aws::{Answer, FakeAws};

async fn protected(environment: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = if environment == "prod" { "blockchain-core-prod" } else { "blockchain-core" };
    let stack = format!("{prefix}-{environment}");
    let bootstrap = format!("{stack}-bootstrap");
    let mut stacks = Stacks::with(&[stack.as_str(), bootstrap.as_str()], "CREATE_COMPLETE");
    let stub = FakeAws::start(move |call| stacks.answer(call));
    let site = stub.site(folder.path(), environment);
    let aws = Aws::open(&site).await.expect("signed in");
    // The second time, they are protected already.
    for _ in 0..2 {
        protect(&aws, &Progress::default()).await.expect("protected");
    }
    let asked =
        stub.calls().into_iter().filter(|call| call.action == "UpdateTerminationProtection");
    asked.filter_map(|call| call.field("StackName")).collect()
}

#[tokio::test]
async fn the_stacks_of_a_protected_environment_are_protected_from_deletion() {
    let both = ["blockchain-core-prod-prod", "blockchain-core-prod-prod-bootstrap"];
    assert_eq!(protected("prod").await, both);
    assert_eq!(protected("dev").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_account_with_few_invocations_is_told() {
    for (limit, told) in [(10, true), (1_000, false)] {
        let mut stacks = Stacks::default();
        let stub = FakeAws::start(move |call| match call.service.as_str() {
            "lambda" => {
                Answer::ok(format!(r#"{{"AccountLimit":{{"ConcurrentExecutions":{limit}}}}}"#))
            }
            _ => stacks.answer(call),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let site = stub.site(folder.path(), "dev");
        let aws = Aws::open(&site).await.expect("signed in");
        let note = aws.few_invocations().await;
        assert_eq!(note.is_some(), told, "{note:?}");
    }
}

/// The changing calls of `deploy --dry-run`, with stacks in this state.
async fn changes_of_dry_run(part: &str, mut stacks: Stacks) -> Vec<String> {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: args::Deploy,
    }
    let folder = tempfile::tempdir().expect("a folder");
    let stub = FakeAws::start(move |call| match call.service.as_str() {
        "s3" => Answer::s3_error(404, "NoSuchKey"),
        _ => stacks.answer(call),
    });
    let site = stub.site(folder.path(), "dev");
    let settings = include_str!("../../../../../../twincloud.toml");
    std::fs::write(folder.path().join("twincloud.toml"), settings).expect("write");
    let line = ["deploy", part, "--dry-run", "--yes"];
    let args = Line::try_parse_from(line).expect("arguments").args;
    Box::pin(crate::commands::deploy::of(&site, &args, &Progress::default()))
        .await
        .expect("a plan");
    let mut changes = stub.changes();
    changes.sort();
    changes
}

/// The same calls as for `plan`: AWS plans by change sets.
#[tokio::test]
async fn a_dry_run_makes_nothing_but_change_sets_and_takes_them_away() {
    let names = ["blockchain-core-dev-bootstrap", "blockchain-core-dev"];
    let sets = ["cloudformation CreateChangeSet", "cloudformation DeleteChangeSet"];
    let empty = "cloudformation DeleteStack";
    for status in ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"] {
        let changes = changes_of_dry_run("aws", Stacks::with(&names, status)).await;
        assert_eq!(changes, [sets[0], sets[0], sets[1], sets[1]], "{status}");
    }
    for status in ["ROLLBACK_COMPLETE", "DELETE_FAILED"] {
        let changes = changes_of_dry_run("aws", Stacks::with(&names, status)).await;
        assert_eq!(changes, Vec::<String>::new(), "{status}");
    }
    let changes = changes_of_dry_run("aws", Stacks::default()).await;
    assert_eq!(changes, [sets[0], sets[0], sets[1], sets[1], empty, empty]);
    // Without the bootstrap stack, which holds the state, only that stack is planned for the foundation.
    let changes = changes_of_dry_run("foundation", Stacks::default()).await;
    assert_eq!(changes, [sets[0], sets[1], empty]);
}

#[test]
fn a_queue_name_that_is_blocked_is_told_by_its_reason() {
    let failed = |reason: &str| cfn::Error::Failed {
        stack: "s".to_owned(),
        status: "ROLLBACK_COMPLETE".to_owned(),
        resource: "Queue (AWS::SQS::Queue)".to_owned(),
        reason: reason.to_owned(),
    };
    for reason in [
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        "Resource handler returned message: (Service: Sqs, Status Code: 400, Error Code: AWS.SimpleQueueService.QueueDeletedRecently)",
    ] {
        assert!(is_name_blocked(&failed(reason)), "{reason}");
    }
    assert!(!is_name_blocked(&failed("the name is taken")));
}
