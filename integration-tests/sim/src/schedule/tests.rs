use super::*;

const BOUNDS: Bounds = Bounds { flow_ms: 6_000, faults: 6 };

#[test]
fn every_schedule_comes_back_from_its_text() {
    for seed in 0..2_000 {
        let schedule = random(seed, BOUNDS);
        let text = schedule.text().unwrap();
        assert_eq!(Schedule::parse(&text).unwrap(), schedule, "{text}");
        assert!(!schedule.faults.is_empty());
        assert_eq!(schedule.asks_for_loss(BOUNDS.flow_ms), None, "{text}");
    }
}

#[test]
fn a_wrong_file_is_told_what_is_wrong_in_it() {
    let wrong = |text: &str| Schedule::parse(text).unwrap_err().to_string();
    let fault = |rest: &str| wrong(&format!("[[fault]]\nat_ms = 5\n{rest}"));
    assert!(fault("fault = \"kil\"\ncloud = \"aws\"").contains("no fault is called \"kil\""));
    assert!(fault("fault = \"kill\"\ncloud = \"aws\"").contains("needs `for_ms`"));
    assert!(fault("fault = \"pause\"\nfor_ms = 5").contains("needs `cloud`"));
    assert!(fault("fault = \"skew\"\ncloud = \"aws\"\nfor_ms = 5").contains("needs `by_ms`"));
    assert!(fault("fault = \"fail\"\ncloud = \"aws\"\nfor_ms = 5").contains("needs `service`"));
    let kill = "fault = \"kill\"\ncloud = \"aws\"\nfor_ms = 5\n";
    assert!(fault(&format!("{kill}service = \"queue\"")).contains("has no `service`"));
    for name in ["kill", "pause", "hang", "expire-credentials", "stop-functions", "slow"] {
        let needed = "service = \"store\"\ndelay_ms = 5\n";
        let needed = needed.lines().filter(|line| match name {
            "hang" => line.starts_with("service"),
            "slow" => line.starts_with("delay_ms"),
            _ => false,
        });
        let needed: Vec<&str> = needed.collect();
        let text = format!(
            "fault = \"{name}\"\ncloud = \"aws\"\nfor_ms = 5\npercent = 50\n{}",
            needed.join("\n")
        );
        assert!(fault(&text).contains("has no `percent`"), "{}", fault(&text));
    }
    assert!(fault(&format!("{kill}percent = 101")).contains("percent is 1 to 100"));
    assert!(fault(&format!("{kill}clouds = 1")).contains("unknown field `clouds`"));
    assert!(wrong("route = \"azure\"").contains("azure"));
}

#[test]
fn what_would_lose_trades_is_told() {
    let kill = |at_ms, for_ms, cloud| Planned { at_ms, for_ms, cloud, fault: Fault::Kill };
    let loss = |faults: Vec<Planned>| Schedule { route: To::Aws, faults }.asks_for_loss(9_000);
    let (aws, gcp) = (CloudId::Aws, CloudId::Gcp);
    assert_eq!(loss(vec![kill(100, 2_000, aws), kill(3_000, 2_000, aws)]), None);
    assert!(loss(vec![kill(100, 2_000, aws), kill(5_000, 2_000, gcp)]).is_some());
    assert_eq!(loss(vec![kill(100, 200, aws)]), None, "it has another incarnation id");
    assert!(loss(vec![kill(6_900, 200, aws)]).is_some());
    assert!(loss(vec![kill(6_000, 2_000, aws)]).is_some());
    let pause = Planned { at_ms: 300, for_ms: 4_000, cloud: gcp, fault: Fault::Pause };
    assert_eq!(loss(vec![kill(100, 2_000, aws), pause]), None, "the spool still has all of it");
    let crash = Planned { at_ms: 4_000, for_ms: 100, cloud: aws, fault: Fault::CrashProducer };
    assert_eq!(loss(vec![kill(3_900, 1_000, aws), crash]), None, "the spool knows the mark");
}

#[test]
fn what_is_shrunk_still_fails_and_is_small() {
    let fails = |schedule: &Schedule| {
        schedule.faults.iter().any(|planned| planned.fault == Fault::Pause && planned.for_ms > 300)
    };
    let seeds = (0..500).map(|seed| random(seed, BOUNDS)).filter(|schedule| fails(schedule));
    let mut count = 0;
    for schedule in seeds {
        let least = shrink(schedule, BOUNDS.flow_ms, fails);
        assert!(fails(&least));
        assert_eq!(least.faults.len(), 1);
        assert!(least.faults[0].for_ms <= 600, "{least:?}");
        count += 1;
    }
    assert!(count > 20, "{count} schedules with a pause");
}
