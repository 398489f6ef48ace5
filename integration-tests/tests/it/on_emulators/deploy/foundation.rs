//! The life of the AWS foundation, which Terraform applies.

use cloud_aws::Clients;
use deploy::aws::{aws_config, emulator_credentials};
use serde_json::Value;

use super::{Up, on_processes};
use crate::command::workspace;

fn addresses(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().expect("steps");
    let changes = steps.iter().filter_map(|step| step["changes"].as_array()).flatten();
    changes.map(|change| change["address"].as_str().expect("an address")).collect()
}

#[tokio::test]
async fn deployed_compared_and_destroyed() {
    let up = Up::new();
    let roots = up.checkout.dir.path().join("terraform");
    std::os::unix::fs::symlink(workspace().join("terraform"), roots).expect("link the root");
    let deploy = ["deploy", "foundation", "--yes", "--json"];
    let ran = up.checkout.deploy(&on_processes(&deploy));
    // Not every machine has the provider, or can get it.
    if ran.code == Some(3) {
        eprintln!("skipped: {}", ran.stderr);
        return;
    }
    ran.assert_code(0);
    let deployed = ran.json();
    let policy = deployed[0]["outputs"]["producer_policy_arn"].as_str().expect("a policy");
    assert!(policy.ends_with("-producer"), "{policy}");
    assert_eq!(up.json(&["plan", "foundation"])["changes"], 0);

    let setting = ["--set", "aws.foundation.key_deletion_window_days=8"];
    let plan = up.json(&[&["plan", "foundation"][..], &setting].concat());
    assert_eq!(addresses(&plan), ["module.key.aws_kms_key.main"], "{plan:#}");
    assert_eq!(up.ok(&["drift", "foundation"]), "foundation: as it was deployed\n");

    // Of what there is, a fresh checkout knows as much as the one that deployed.
    up.ok(&["deploy", "all", "--yes"]);
    let plan = up.json(&["plan", "all"]);
    assert_eq!(plan["changes"], 0, "{plan:#}");
    // In another checkout, a file that is older than what a colleague has deployed since undoes nothing.
    let kept = up.checkout.dir.path().join("outputs/local");
    let aws = || -> Value {
        let text = std::fs::read_to_string(kept.join("aws.json")).expect("it was deployed");
        serde_json::from_str(&text).expect("JSON")
    };
    let topic = aws()["AlertTopicArn"].clone();
    assert!(topic.as_str().is_some_and(|arn| arn.starts_with("arn:aws:sns:")), "{topic}");
    let foundation = kept.join("foundation.json");
    let text = std::fs::read_to_string(&foundation).expect("it was deployed");
    let old = text.replace(topic.as_str().expect("an ARN"), "arn:aws:sns:us-east-1:1:older");
    assert_ne!(old, text);
    std::fs::write(&foundation, old).expect("written");
    let plan = up.json(&["plan", "all"]);
    assert_eq!(plan["changes"], 0, "{plan:#}");
    up.ok(&["deploy", "aws", "--yes"]);
    assert_eq!(aws()["AlertTopicArn"], topic);

    let forget = || {
        let kept = up.checkout.dir.path().join("outputs");
        std::fs::remove_dir_all(kept).expect("nothing is kept");
    };
    forget();
    let plan = up.json(&["plan", "all"]);
    assert_eq!(plan["changes"], 0, "{plan:#}");
    forget();
    // An object that is no Terraform state makes the state unreadable.
    let config = aws_config(Some(up.aws()), "us-east-1", Some(emulator_credentials())).await;
    let bucket = "blockchain-core-state-local-000000000000";
    let put = Clients::new(&config).s3.put_object().bucket(bucket).key("no-state");
    put.body(b"{".to_vec().into()).send().await.expect("put");
    let blind = ["--set", "aws.state.key=no-state"];
    let unread = "nothing is kept here of foundation of local, and it can't be read: ";
    for (words, code) in [(&["deploy", "aws", "--yes"][..], 3), (&["plan", "aws"], 0)] {
        let ran = up.checkout.deploy(&on_processes(&[words, &blind].concat()));
        ran.assert_code(code);
        assert!(ran.stderr.contains(unread), "{}", ran.stderr);
    }
    up.ok(&["destroy", "all", "--yes"]);

    for _ in 0..2 {
        let destroyed = up.json(&["destroy", "foundation", "--yes"]);
        assert!(destroyed[0]["left"].as_array().is_some_and(Vec::is_empty), "{destroyed:#}");
    }
}
