use super::*;
use crate::fake_aws::FakeAws;
use crate::fake_aws::stacks::Stacks;

const NAMES: [&str; 2] = ["blockchain-core-dev-bootstrap", "blockchain-core-dev"];
const TABLE: [&str; 4] = ["Table", "AWS::DynamoDB::Table", "candles", "DELETE_FAILED"];
const QUEUE: [&str; 4] = ["Queue", "AWS::SQS::Queue", "trades", "DELETE_COMPLETE"];

/// The output of `plan aws` for these stacks, and its calls that change something.
async fn planned(mut stacks: Stacks) -> (Result<String, String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = FakeAws::start(move |call| stacks.answer(call));
    let site = stub.site(folder.path(), "dev");
    let steps = components::AWS.plan(&site, &Progress::default()).await;
    let text = steps.map(|steps| Plans::of(&site, steps).to_string());
    (text.map_err(|failure| failure.to_string()), stub.changes())
}

#[tokio::test]
async fn a_stack_that_failed_is_left_as_it_is() {
    for status in ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"] {
        let mut stacks = Stacks::with(&NAMES, status);
        for stack in stacks.by_name.values_mut() {
            stack.resources = vec![QUEUE.map(str::to_owned)];
        }
        let (text, changes) = planned(stacks).await;
        assert_eq!(changes, Vec::<String>::new(), "{status}");
        let text = text.expect(status);
        let says = format!("the stack is in {status}; deploy will delete it first");
        assert_eq!(text.matches(&says).count(), 2, "{text}");
        for added in ["+ ArtifactBucket (AWS::S3::Bucket)", "+ Table (AWS::DynamoDB::Table)"] {
            assert!(text.contains(added), "{text}");
        }
        assert!(!text.contains("- Queue"), "it is gone already: {text}");
    }
}

#[tokio::test]
async fn what_a_delete_has_left_is_named_and_deploy_does_not_delete_it() {
    let mut stacks = Stacks::with(&NAMES, "DELETE_FAILED");
    for stack in stacks.by_name.values_mut() {
        stack.resources = [TABLE, QUEUE].map(|resource| resource.map(str::to_owned)).to_vec();
    }
    let (text, changes) = planned(stacks).await;
    let text = text.expect("a plan");
    assert_eq!(changes, Vec::<String>::new());
    assert!(text.contains("the stack is in DELETE_FAILED and still holds"), "{text}");
    assert!(text.contains("- Table (AWS::DynamoDB::Table) candles"), "{text}");
    assert!(text.contains("`cargo xtask destroy aws`"), "{text}");
}

#[tokio::test]
async fn a_stack_that_is_stuck_says_how_to_go_on() {
    let (text, changes) = planned(Stacks::with(&NAMES, "UPDATE_ROLLBACK_FAILED")).await;
    let error = text.expect_err("it is stuck");
    assert!(error.contains("continue-update-rollback"), "{error}");
    assert_eq!(changes, Vec::<String>::new());
    // Also if only the second stack is: no change set is made for the first.
    let mut stacks = Stacks::with(&NAMES, "UPDATE_COMPLETE");
    stacks.add(NAMES[1], "UPDATE_ROLLBACK_FAILED");
    let (text, changes) = planned(stacks).await;
    text.expect_err("it is stuck");
    assert_eq!(changes, Vec::<String>::new());
}

/// AWS plans by change sets: they are created and deleted. For a missing stack, an empty one is created, too.
#[tokio::test]
async fn a_plan_makes_nothing_but_change_sets_and_takes_them_away() {
    let sets = ["cloudformation CreateChangeSet", "cloudformation DeleteChangeSet"];
    for status in ["REVIEW_IN_PROGRESS", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"] {
        let (text, mut changes) = planned(Stacks::with(&NAMES, status)).await;
        text.expect(status);
        changes.sort();
        assert_eq!(changes, [sets[0], sets[0], sets[1], sets[1]], "{status}");
    }
    let (text, mut changes) = planned(Stacks::default()).await;
    text.expect("a plan");
    changes.sort();
    let empty = "cloudformation DeleteStack";
    assert_eq!(changes, [sets[0], sets[0], sets[1], sets[1], empty, empty]);
}
