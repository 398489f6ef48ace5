//! Tests of the choice for each policy, and properties that hold for any state.

use proptest::prelude::*;

use super::State::{Down, Healthy, Recovering, Suspect};
use super::*;

fn target(name: &str, cloud: &str, cost_micros: u64) -> Target {
    let (name, cloud, region) = (name.to_owned(), cloud.to_owned(), format!("region of {name}"));
    Target { name, cloud, region, cost_micros, weight: 1 }
}

/// A router with two regions of one cloud and one of another, in this order.
fn router(policy: Policy) -> Router {
    let targets =
        vec![target("aws-1", "aws", 40), target("gcp", "gcp", 30), target("aws-2", "aws", 50)];
    Router { targets, policy, services: vec!["queue".to_owned()], failback_ms: 1_000 }
}

fn view(state: State) -> TargetSnapshot {
    TargetSnapshot {
        services: vec![ServiceState { service: "queue".to_owned(), state }],
        latency_us: None,
    }
}

fn views(states: [State; 3]) -> Vec<TargetSnapshot> {
    states.into_iter().map(view).collect()
}

fn names(route: &Route) -> Vec<&str> {
    route.publish.iter().map(|(name, _)| name.as_str()).collect()
}

/// The routes of repeated choices.
fn run(router: &Router, steps: &[(u64, Vec<TargetSnapshot>)]) -> Vec<Route> {
    let mut memory = RouterState::default();
    let mut routes = Vec::new();
    for (now_ms, views) in steps {
        let (next, route) = router.decide(memory, views, *now_ms);
        memory = next;
        routes.push(route);
    }
    routes
}

#[test]
fn mirror_publishes_to_all_that_take_traffic() {
    let router = router(Policy::Mirror);
    let route = |states| router.decide(RouterState::default(), &views(states), 0).1;
    assert_eq!(names(&route([Healthy, Suspect, Healthy])), ["aws-1", "gcp", "aws-2"]);
    let one = route([Down, Recovering, Healthy]);
    assert_eq!(names(&one), ["aws-2"]);
    assert_eq!(one.standby, ["gcp", "aws-1"], "the likeliest first");
    assert_eq!(names(&route([Down, Recovering, Down])), ["gcp"], "better than nobody");
    assert!(names(&route([Down, Down, Down])).is_empty());
}

#[test]
fn a_primary_fails_over_within_its_cloud_first_and_fails_back_after_a_while() {
    let all = [Healthy, Healthy, Healthy];
    let steps = [
        (0, views(all)),
        (10, views([Down, Healthy, Healthy])),
        (20, views([Down, Healthy, Down])),
        (30, views([Recovering, Healthy, Down])),
        (5_000, views(all)),
        (5_999, views(all)),
        (6_000, views(all)),
    ];
    let routes = run(&router(Policy::Primary(PrimarySelection::Hand)), &steps);
    let primaries: Vec<_> = routes.iter().map(|route| names(route)[0]).collect();
    assert_eq!(primaries, ["aws-1", "aws-2", "gcp", "gcp", "gcp", "gcp", "aws-1"]);
    let whys: Vec<_> = routes.iter().filter_map(|r| r.change.as_ref()).map(|c| c.why).collect();
    assert_eq!(whys, [Why::Failover, Why::Failover, Why::Failback]);
}

#[test]
fn each_better_primary_must_be_there_for_the_whole_time() {
    let steps = [
        (0, views([Down, Down, Healthy])),
        (10, views([Down, Healthy, Healthy])),
        (500, views([Healthy; 3])),
        (1_010, views([Healthy; 3])),
        (1_499, views([Healthy; 3])),
        (1_500, views([Healthy; 3])),
    ];
    let routes = run(&router(Policy::Primary(PrimarySelection::Hand)), &steps);
    let primaries: Vec<_> = routes.iter().map(|route| names(route)[0]).collect();
    assert_eq!(primaries, ["aws-2", "aws-2", "aws-2", "aws-2", "aws-2", "aws-1"]);
}

#[test]
fn with_nobody_there_the_primary_stays() {
    let steps =
        [(0, views([Healthy; 3])), (10, views([Down; 3])), (20, views([Down, Down, Recovering]))];
    let routes = run(&router(Policy::Primary(PrimarySelection::Hand)), &steps);
    assert_eq!(names(&routes[1]), ["aws-1"]);
    assert_eq!(routes[1].change, None);
    assert_eq!(names(&routes[2]), ["aws-2"]);
}

#[test]
fn the_cheapest_and_the_quickest() {
    let route = router(Policy::Primary(PrimarySelection::Cost)).decide(
        RouterState::default(),
        &views([Healthy; 3]),
        0,
    );
    assert_eq!(names(&route.1), ["gcp"]);
    let by_latency = router(Policy::Primary(PrimarySelection::Latency { margin_percent: 20 }));
    let with = |latencies: [u64; 3]| -> Vec<TargetSnapshot> {
        let views =
            latencies.map(|latency| TargetSnapshot { latency_us: Some(latency), ..view(Healthy) });
        views.into_iter().collect()
    };
    let steps = [
        (0, with([100, 200, 300])),
        (10, with([100, 90, 300])),
        (9_000, with([100, 90, 300])),
        (9_001, with([100, 80, 300])),
        (9_500, with([100, 80, 300])),
        (10_001, with([100, 80, 300])),
    ];
    let routes = run(&by_latency, &steps);
    let primaries: Vec<_> = routes.iter().map(|route| names(route)[0]).collect();
    assert_eq!(
        primaries,
        ["aws-1", "aws-1", "aws-1", "aws-1", "aws-1", "gcp"],
        "worth it, for long enough"
    );
}

#[test]
fn an_order_by_hand_moves_at_once_and_holds_until_another() {
    let router = router(Policy::Primary(PrimarySelection::Hand));
    let all = views([Healthy; 3]);
    let (mut memory, _) = router.decide(RouterState::default(), &all, 0);
    memory.order(Some("gcp".to_owned()));
    let (memory, route) = router.decide(memory, &all, 1);
    assert_eq!(
        route.change.map(|change| (change.to, change.why)),
        Some(("gcp".to_owned(), Why::Ordered))
    );
    let (mut memory, route) = router.decide(memory, &all, 1_000_000);
    assert_eq!(names(&route), ["gcp"]);
    // While the target of the override is down, another one gets traffic; the override counts again
    // once it is healthy.
    let (gone, route) = router.decide(memory.clone(), &views([Healthy, Down, Healthy]), 1_000_001);
    assert_eq!(names(&route), ["aws-1"]);
    assert_eq!(names(&router.decide(gone, &all, 1_000_002).1), ["gcp"]);
    memory.order(None);
    let (memory, _) = router.decide(memory, &all, 1_000_003);
    assert_eq!(names(&router.decide(memory, &all, 1_001_003).1), ["aws-1"]);
}

#[test]
fn an_order_by_hand_overrides_mirror_and_weights_as_long_as_it_can_be_followed() {
    for policy in [Policy::Mirror, Policy::Weighted] {
        let router = router(policy);
        let mut memory = RouterState::default();
        memory.order(Some("gcp".to_owned()));
        let (memory, route) = router.decide(memory, &views([Healthy; 3]), 0);
        assert_eq!(names(&route), ["gcp"]);
        assert!((0..9).all(|sequence| route.assigns("gcp", sequence)));
        let (mut memory, route) = router.decide(memory, &views([Healthy, Down, Healthy]), 1);
        assert_eq!(names(&route), ["aws-1", "aws-2"], "losing nothing comes first");
        memory.order(None);
        assert_eq!(names(&router.decide(memory, &views([Healthy; 3]), 2).1).len(), 3);
    }
}

#[test]
fn what_nobody_has_goes_to_the_next_one_while_those_who_should_have_it_are_suspect() {
    let hedge = |policy, states| {
        let route = router(policy).decide(RouterState::default(), &views(states), 0).1;
        let told = names(&route).join(" ");
        for name in ["aws-1", "gcp", "aws-2"] {
            assert_eq!(route.hedges(name), route.hedge.as_deref() == Some(name), "{name}");
        }
        (told, route.hedge.unwrap_or_default())
    };
    let is = |publish: &str, hedge: &str| (publish.to_owned(), hedge.to_owned());
    let primary = Policy::Primary(PrimarySelection::Hand);
    assert_eq!(hedge(primary, [Healthy; 3]), is("aws-1", ""));
    assert_eq!(hedge(primary, [Suspect, Healthy, Healthy]), is("aws-1", "aws-2"), "its own cloud");
    assert_eq!(hedge(primary, [Suspect, Healthy, Suspect]), is("aws-1", "gcp"));
    assert_eq!(hedge(primary, [Suspect, Suspect, Down]), is("aws-1", "gcp"), "better than nobody");
    assert_eq!(hedge(primary, [Suspect, Recovering, Down]), is("aws-1", ""));
    assert_eq!(hedge(Policy::Mirror, [Suspect, Healthy, Down]), is("aws-1 gcp", ""));
    let weighted = Policy::Weighted;
    assert_eq!(hedge(weighted, [Healthy; 3]), is("aws-1 gcp aws-2", ""));
    assert_eq!(hedge(weighted, [Suspect, Healthy, Healthy]), is("aws-1 gcp aws-2", "aws-2"));
}

#[test]
fn a_service_that_is_down_behind_a_good_queue_is_named_and_decides_where_it_is_to() {
    let mut router = router(Policy::Primary(PrimarySelection::Hand));
    let mut views = views([Healthy; 3]);
    views[0].services.push(ServiceState { service: "store".to_owned(), state: Down });
    let (_, route) = router.decide(RouterState::default(), &views, 0);
    assert_eq!(
        (names(&route), &route.notes[..]),
        (vec!["aws-1"], &["aws-1: store is down".to_owned()][..])
    );
    router.services.push("store".to_owned());
    assert_eq!(names(&router.decide(RouterState::default(), &views, 0).1), ["gcp"]);
}

#[test]
fn weights_are_kept_exactly_and_the_rest_take_over() {
    let mut router = router(Policy::Weighted);
    for (target, weight) in router.targets.iter_mut().zip([3, 1, 0]) {
        target.weight = weight;
    }
    let count = |route: &Route, name: &str| (0..400).filter(|n| route.assigns(name, *n)).count();
    let (_, route) = router.decide(RouterState::default(), &views([Healthy; 3]), 0);
    assert_eq!(["aws-1", "gcp", "aws-2"].map(|name| count(&route, name)), [300, 100, 0]);
    let (_, route) = router.decide(RouterState::default(), &views([Down, Healthy, Healthy]), 0);
    assert_eq!(["aws-1", "gcp", "aws-2"].map(|name| count(&route, name)), [0, 400, 0]);
    let (_, route) = router.decide(RouterState::default(), &views([Down, Down, Healthy]), 0);
    assert_eq!(count(&route, "aws-2"), 400, "no weight is better than nobody");
}

#[test]
fn each_reason_for_a_change_has_its_word() {
    let whys = [Why::Failover, Why::Failback, Why::Ordered];
    assert_eq!(whys.map(|why| why.to_string()), ["failover", "failback", "ordered"]);
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(Healthy), Just(Suspect), Just(Recovering), Just(Down)]
}

proptest! {
    /// In any state, each message goes to a target that takes traffic, if there is one.
    #[test]
    fn nobody_is_published_to_while_a_better_one_is_there(
        steps in prop::collection::vec((0_u64..2_000, [state(), state(), state()]), 1..40),
        policy in prop_oneof![
            Just(Policy::Mirror), Just(Policy::Weighted), Just(Policy::Primary(PrimarySelection::Hand)),
            Just(Policy::Primary(PrimarySelection::Cost)),
        ],
        sequence: u64,
    ) {
        let router = router(policy);
        let mut now_ms = 0;
        let mut memory = RouterState::default();
        let mut primary: Option<String> = None;
        for (pause_ms, states) in steps {
            now_ms += pause_ms;
            let (next, route) = router.decide(memory, &views(states), now_ms);
            memory = next;
            let takers = states.iter().filter(|state| state.takes_traffic()).count();
            let assigned: Vec<_> = router.targets.iter().zip(states)
                .filter(|(target, _)| route.assigns(&target.name, sequence)).collect();
            if takers > 0 {
                prop_assert!(!assigned.is_empty());
                prop_assert!(assigned.iter().all(|(_, state)| state.takes_traffic()), "{assigned:?}");
            }
            match policy {
                Policy::Mirror if takers > 0 => prop_assert_eq!(assigned.len(), takers),
                Policy::Primary(_) => {
                    prop_assert_eq!(assigned.len(), 1);
                    let now = Some(assigned[0].0.name.clone());
                    // Exactly a change of primary is reported.
                    let told = primary.is_some() && primary != now;
                    prop_assert_eq!(route.change.is_some(), told);
                    primary = now;
                }
                _ => {}
            }
            prop_assert_eq!(route.publish.len() + route.standby.len(), 3);
            // With a healthy target, no message depends on suspect targets alone.
            let is_healthy = |name: &str| {
                let mut all = router.targets.iter().zip(states);
                all.any(|(target, state)| target.name == name && state == Healthy)
            };
            if states.contains(&Healthy) {
                let by_hedge = route.hedge.as_deref().is_some_and(is_healthy);
                prop_assert!(by_hedge || assigned.iter().any(|(_, state)| *state == Healthy));
            }
        }
    }
}
