use aws_sdk_cloudformation::Client;

use super::*;
use crate::fake_aws::FakeAws;
use crate::fake_aws::stacks::Stacks;

const NAME: &str = "twice";
const TEMPLATE: &str = "Resources: {Queue: {Type: 'AWS::SQS::Queue'}}";

fn limits(again: Duration) -> Limits {
    Limits { again, poll: Duration::from_millis(50), ..Limits::default() }
}

/// Two concurrent deploys, where each plan invalidates the other's; returns the outcomes and the
/// pauses.
async fn duel(again: Duration) -> ([Result<Outputs, Error>; 2], usize) {
    let mut stacks = Stacks { one_set_a_stack: true, looks: 3, ..Stacks::default() };
    let stub = FakeAws::start(move |call| stacks.answer(call));
    let client = Client::new(&stub.config().await);
    let none = BTreeMap::new();
    let request = StackRequest { name: NAME, template: TEMPLATE, parameters: &none, tags: &none };
    let limits = limits(again);
    let (mut here, mut there) = (0, 0);
    let count = |p: &Progress<'_>| usize::from(matches!(p, Progress::Overtaken { .. }));
    let mut at_here = |p: Progress<'_>| here += count(&p);
    let mut at_there = |p: Progress<'_>| there += count(&p);
    let (first, second) = tokio::join!(
        apply(&client, &request, &limits, &mut at_here),
        apply(&client, &request, &limits, &mut at_there),
    );
    ([first, second], here + there)
}

#[tokio::test]
async fn of_two_deploys_that_overtake_each_other_one_waits() {
    let (ended, waited) = Box::pin(duel(Duration::from_millis(200))).await;
    for outcome in ended {
        outcome.expect("both end well");
    }
    assert!(waited > 0, "they never met");
    // Without pauses each keeps invalidating the other's plan.
    let (ended, _) = Box::pin(duel(Duration::ZERO)).await;
    let gave_up = ended.iter().filter(|outcome| matches!(outcome, Err(Error::Overtaken { .. })));
    assert_eq!(gave_up.count(), 1, "{ended:?}");
}

/// Another deploy creates the stack after planning began.
#[tokio::test]
async fn a_stack_that_is_there_by_now_is_planned_anew() {
    let none = BTreeMap::new();
    let request = StackRequest { name: NAME, template: TEMPLATE, parameters: &none, tags: &none };
    for made_before in ["CreateChangeSet", "DescribeChangeSet"] {
        let mut stacks = Stacks::default();
        let stub = FakeAws::start(move |call| {
            if call.action == made_before {
                stacks.add(NAME, "CREATE_COMPLETE");
            }
            stacks.answer(call)
        });
        let client = Client::new(&stub.config().await);
        let planned = plan(&client, &request, &limits(Duration::ZERO), &mut |_| ()).await;
        assert!(matches!(planned, Err(Error::Overtaken { .. })), "{made_before}: {planned:?}");
    }
}

#[test]
fn pauses_grow_are_bounded_and_differ() {
    let limits = limits(Duration::from_secs(1));
    let drawn: Vec<Duration> = (1..=20).map(|round| limits.pause(round)).collect();
    for (round, pause) in (1..).zip(&drawn) {
        let longest = Duration::from_secs(1 << u32::min(round - 1, 5));
        assert!((longest / 4..=longest).contains(pause), "{round}: {pause:?}");
    }
    assert_ne!(limits.pause(6), limits.pause(6));
}

#[tokio::test]
async fn what_is_in_the_way_is_deleted_by_execute_alone_and_only_as_it_was_planned() {
    let resource =
        |name: &str, status: &str| [name, "AWS::DynamoDB::Table", name, status].map(str::to_owned);
    let none = BTreeMap::new();
    let request = StackRequest { name: NAME, template: TEMPLATE, parameters: &none, tags: &none };
    let limits = limits(Duration::from_millis(1));
    for (status, left, deletes) in [
        ("ROLLBACK_COMPLETE", None, true),
        ("CREATE_FAILED", Some("CREATE_COMPLETE"), true),
        ("DELETE_FAILED", Some("DELETE_COMPLETE"), true),
        ("DELETE_FAILED", Some("DELETE_FAILED"), false),
    ] {
        let mut stacks = Stacks::default();
        stacks.add(NAME, status).resources =
            left.map(|left| resource("Table", left)).into_iter().collect();
        let stub = FakeAws::start(move |call| stacks.answer(call));
        let client = Client::new(&stub.config().await);
        let plan = plan(&client, &request, &limits, &mut |_| ()).await.expect("a plan");
        discard(&client, &plan, &limits).await.expect("nothing to discard");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{status}");
        let done = execute(&client, &plan, &limits, &mut |_| ()).await;
        let deleted = stub.changes().contains(&"cloudformation DeleteStack".to_owned());
        assert_eq!((done.is_ok(), deleted), (deletes, deletes), "{status} {left:?}: {done:?}");
    }
}
