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
    // The second time, it is so already.
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
