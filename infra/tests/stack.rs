//! The template and what is rendered for it must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use infra::Settings;
use infra::render::{CodeLocation, STACK_TEMPLATE, stack_parameters};

fn settings() -> Settings {
    let text = include_str!("../../twincloud.toml");
    Settings::parse(Path::new("twincloud.toml"), text, None, &[], std::iter::empty())
        .expect("valid")
}

fn parameters() -> BTreeMap<String, String> {
    let code = CodeLocation { bucket: "artifacts".to_owned(), key: "ingest/0.zip".to_owned() };
    stack_parameters(&settings(), &code, None)
}

/// The keys right below a line, by indentation: all that is needed of YAML here.
fn keys_below(heading: &str) -> BTreeSet<&'static str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = STACK_TEMPLATE.lines().skip_while(|line| line.trim_end() != heading);
    let top = depth(lines.next().expect("the heading is in the template"));
    let below: Vec<&str> = lines
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .take_while(|line| depth(line) > top)
        .collect();
    let first = depth(below.first().expect("something below the heading"));
    below
        .into_iter()
        .filter(|line| depth(line) == first)
        .filter_map(|line| line.trim().split_once(':').map(|(key, _)| key))
        .collect()
}

#[test]
fn each_parameter_is_rendered_and_each_rendered_one_declared() {
    let rendered = parameters();
    let rendered: BTreeSet<&str> = rendered.keys().map(String::as_str).collect();
    assert_eq!(rendered, keys_below("Parameters:"));
}

#[test]
fn each_parameter_is_used() {
    for parameter in keys_below("Parameters:") {
        let used = [format!("!Ref {parameter}"), format!("${{{parameter}}}")]
            .iter()
            .any(|usage| STACK_TEMPLATE.contains(usage));
        assert!(used, "`{parameter}` isn't used in the template");
    }
}

#[test]
fn the_function_has_the_environment_that_the_settings_say() {
    let env = settings().aws_function_env("123456789012");
    let mut expected: BTreeSet<&str> = env.keys().map(String::as_str).collect();
    expected.insert("AWS_ENDPOINT_URL");
    assert_eq!(keys_below("        Variables:"), expected);
}

#[test]
fn no_role_is_wide() {
    for line in STACK_TEMPLATE.lines().map(str::trim) {
        assert!(!line.starts_with("Action: \"*\""), "{line}");
        assert!(!line.starts_with("Resource: \"*\""), "{line}");
    }
    // The one action with a star is of the statement that denies plain HTTP.
    assert_eq!(STACK_TEMPLATE.matches(":*").count(), 1 + 1, "one in an Action, one in a comment");
}

#[test]
fn the_template_fits_into_a_request() {
    // CloudFormation's limit for a template that isn't in a bucket.
    assert!(STACK_TEMPLATE.len() <= 51_200, "{} bytes", STACK_TEMPLATE.len());
}

#[test]
fn values_and_environments() {
    insta::assert_json_snapshot!("parameters", parameters());
    insta::assert_json_snapshot!("aws_function_env", settings().aws_function_env("123456789012"));
    insta::assert_json_snapshot!("gcp_function_env", settings().gcp_function_env());
}
