//! The life of Google's side, and of both sides at once.

use serde_json::Value;

use super::{Up, compared, on_processes};

#[test]
fn deployed_changed_and_destroyed() {
    let up = Up::new();
    let plan = up.json(&["plan", "gcp"]);
    assert!(plan["changes"].as_u64() >= Some(8), "{plan:#}");
    let deployed = up.json(&["deploy", "gcp", "--yes"]);
    assert!(deployed[0]["smoke"]["took_ms"].is_u64(), "{deployed:#}");
    assert_eq!(up.json(&["plan", "gcp"])["changes"], 0);

    let deadline = ["--set", "gcp.pubsub.ack_deadline_s=33"];
    let plan = up.json(&[&["plan", "gcp"][..], &deadline].concat());
    assert_eq!(plan["changes"], 1, "{plan:#}");
    let change = &plan["steps"][0]["changes"][0];
    assert_eq!(change["resource_type"], "google_pubsub_subscription", "{change:#}");
    up.ok(&[&["deploy", "gcp", "--yes"][..], &deadline].concat());
    // Compared with settings without it, this is drift.
    let drift = up.checkout.deploy(&on_processes(&["drift", "gcp", "--json"]));
    drift.assert_code(1);
    let changes = &drift.json()["parts"][0]["changes"];
    assert_eq!(changes.as_array().map(Vec::len), Some(1), "{changes:#}");

    for _ in 0..2 {
        let destroyed = up.json(&["destroy", "gcp", "--yes"]);
        assert_eq!(destroyed[0]["left"], Value::Array(Vec::new()), "{destroyed:#}");
    }
}

#[test]
fn both_clouds_side_by_side() {
    let up = Up::new();
    let deployed = up.json(&["deploy", "all", "--yes"]);
    let parts: Vec<_> = deployed.as_array().expect("parts").iter().map(|d| &d["part"]).collect();
    assert_eq!(parts, ["aws", "gcp"]);
    let status = up.json(&["status"]);
    for cloud in ["aws", "gcp"] {
        assert!(status[cloud]["stack"].is_string(), "{status:#}");
        assert_eq!(status[cloud]["functions"].as_array().map(Vec::len), Some(2), "{status:#}");
        assert_eq!(status[cloud]["dead_letters"], 0, "{status:#}");
        assert_eq!(status[cloud]["drift"], 0, "{status:#}");
        assert_eq!(status[cloud]["problems"], Value::Array(Vec::new()), "{status:#}");
    }
    let drift = up.ok(&["drift"]);
    assert_eq!(compared(&drift), ["aws: as it was deployed", "gcp: as it was deployed"]);
    let outputs = up.json(&["outputs"]);
    assert!(outputs["gcp"]["topic"].is_string() && outputs["aws"]["QueueUrl"].is_string());
    let rendered = up.checkout.dir.path().join("outputs/rendered/local");
    assert!(
        std::fs::read_to_string(rendered.join(".env"))
            .expect("it is there")
            .contains("TWINCLOUD_TABLE")
    );

    let destroyed = up.json(&["destroy", "all", "--yes"]);
    for part in destroyed.as_array().expect("parts") {
        assert_eq!(part["left"], Value::Array(Vec::new()), "{destroyed:#}");
    }
}
