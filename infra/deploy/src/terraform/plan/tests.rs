//! Plans that Terraform 1.11 printed with `show -json`: of `terraform/` on an emulator, and of a small root. Fields
//! that aren't read are left out.

use super::*;

fn plan(purpose: Purpose, text: &str) -> Plan {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new("terraform", folder.path(), folder.path());
    root.stage(false).expect("a folder for plans");
    let file = PlanFile::new(&root).expect("a file");
    read(&root, purpose, file, text).expect("a plan")
}

#[test]
fn what_is_new_is_counted_and_named() {
    let plan = plan(Purpose::Deploy, include_str!("recorded/create.json"));
    assert!(!plan.is_empty());
    assert_eq!(plan.changes.len(), 8);
    let text = plan.to_string();
    let begin = "terraform: 8 to add, 0 to change, 0 to replace, 0 to remove\n  \
                 + aws_cloudwatch_dashboard.main (aws_cloudwatch_dashboard)\n";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("outputs that change: account_id, alert_topic_arn, "), "{text}");
}

#[test]
fn of_what_others_changed_only_what_is_put_back_counts() {
    let text = include_str!("recorded/changed-by-hand.json");
    let drifted = serde_json::from_str::<Shown>(text).expect("a plan").resource_drift.len();
    assert_eq!(
        drifted, 4,
        "after the first apply, the provider fills in what it didn't write down"
    );
    let plan = plan(Purpose::Deploy, text);
    let expected = "\
terraform: 0 to add, 3 to change, 0 to replace, 0 to remove
  ~ aws_cloudwatch_dashboard.main (aws_cloudwatch_dashboard)
      dashboard_body.widgets[0].properties.metrics[0][3]: t-tf-q -> t-tf-other
      dashboard_body.widgets[0].properties.metrics[1][3]: t-tf-q -> t-tf-other
  ~ aws_iam_policy.functions_boundary (aws_iam_policy)
      policy.Statement[0].Resource[0]: arn:aws:sqs:us-east-1:000000000000:t-tf-q -> arn:aws:sqs:us-east-1:000000000000:t-tf-other
  ~ aws_sns_topic.alerts (aws_sns_topic)
      display_name: byhand -> t-tf-local alerts
  changed by others since the last deploy, and put back:
  ~ aws_sns_topic.alerts (aws_sns_topic)
      display_name: t-tf-local alerts -> byhand
";
    assert_eq!(plan.to_string(), expected);
}

#[test]
fn what_is_replaced_secret_or_unknown_is_told_apart() {
    let plan = plan(Purpose::Deploy, include_str!("recorded/replaced.json"));
    let text = plan.to_string();
    for line in [
        "terraform: 0 to add, 1 to change, 1 to replace, 0 to remove",
        "  ~ terraform_data.quick (terraform_data)",
        "      input.a: b -> c",
        "      input.secret: (sensitive) -> (sensitive)",
        "  ~ terraform_data.replaced (terraform_data, REPLACED)",
        "      triggers_replace.a: b -> c",
        "  outputs that change: word",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in {text}");
    }
    assert!(text.contains(" -> (known after apply)"), "{text}");
}

#[test]
fn a_destroy_removes_each() {
    let plan = plan(Purpose::Destroy, include_str!("recorded/destroy.json"));
    assert!(plan.destroys && plan.changes.iter().all(|change| change.action == Action::Remove));
    assert_eq!(plan.changes.len(), 8);
}

#[test]
fn a_plan_serialises_without_its_file() {
    let plan = plan(Purpose::Deploy, include_str!("recorded/replaced.json"));
    let json = serde_json::to_value(&plan).expect("it serialises");
    let object = json.as_object().expect("an object");
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    assert_eq!(keys, ["changes", "destroys", "drift", "outputs", "root"]);
}

#[test]
fn a_plan_file_goes_with_its_plan_and_those_of_dead_processes_with_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new("terraform", folder.path(), folder.path());
    root.stage(false).expect("a folder for plans");
    let abandoned = root.runs().join("plan-999999999-0");
    fs::write(&abandoned, "secrets").expect("write");
    let file = PlanFile::new(&root).expect("a file");
    assert!(!abandoned.exists());
    fs::write(file.path(), "secrets").expect("write");
    let path = file.path().to_owned();
    drop(file);
    assert!(!path.exists());
}

#[test]
fn parts_of_a_value_are_hidden_where_they_are_secret() {
    let pair = |before: Value, after: Value, sensitive: Value| {
        let change = ValueChange {
            actions: vec!["update".to_owned()],
            before,
            after,
            after_unknown: Value::Null,
            before_sensitive: Value::Null,
            after_sensitive: sensitive,
            importing: None,
        };
        let mut found = Vec::new();
        differences(&Pair::of(&change), String::new(), &mut found);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(
        pair(
            json(r#"{"list":["a"],"all":{"b":"old"}}"#),
            json(r#"{"list":["a","hidden"],"all":{"b":"new"}}"#),
            json(r#"{"list":[false,true],"all":true}"#),
        ),
        ["all: (sensitive) -> (sensitive)", r#"list: ["a"] -> ["a","(sensitive)"]"#]
    );
}
