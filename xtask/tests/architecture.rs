//! The allowed dependencies between crates: the rules of ARCHITECTURE.md, checked on cargo's own data.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The `[dependencies]` of each crate of the workspace; tests may use more.
fn dependencies() -> Dependencies {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let output = metadata.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("run cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

/// The crates of the workspace that a crate depends on, directly or through others.
fn reach(all: &Dependencies, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for dependency in all.get(&name).into_iter().flatten() {
            if all.contains_key(dependency) && reached.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    reached
}

fn is_sdk(name: &str) -> bool {
    [
        "aws-",
        "aws_",
        "google-cloud-",
        "gcloud-",
        "lambda_runtime",
        "firestore",
        "reqwest",
        "axum",
        "testcontainers",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

#[test]
fn the_workload_knows_nothing_of_the_workspace_and_is_pure() {
    let all = dependencies();
    assert!(reach(&all, "candle").is_empty(), "candle depends on {:?}", reach(&all, "candle"));
    for impure in ["tokio", "rand", "tracing"] {
        assert!(!all["candle"].contains(impure), "candle is pure, and {impure} is not");
    }
}

#[test]
fn the_machinery_knows_the_workload_and_no_cloud() {
    let all = dependencies();
    for name in [
        "candle",
        "pipeline",
        "producer-config",
        "producer",
        "cloud-memory",
        "conformance",
        "infra",
    ] {
        let sdks: Vec<_> = all[name].iter().filter(|dependency| is_sdk(dependency)).collect();
        assert!(sdks.is_empty(), "{name} depends on {sdks:?}");
    }
    assert_eq!(reach(&all, "pipeline"), BTreeSet::from(["candle".to_owned()]));
}

/// The types of the producer's configuration are settings, too. What describes them as settings is a feature, and no program
/// asks for it.
#[test]
fn only_the_settings_have_a_schema() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--package", "programs", "--offline", "--prefix", "none"]);
    tree.args(["--edges", "normal,build", "--format", "{p}"]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("run cargo");
    let text = String::from_utf8(output.stdout).expect("cargo tree is UTF-8");
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("producer-config"), "{names:?}");
    assert!(!names.contains("schemars"), "a program is built with the schema of settings");
}

#[test]
fn the_fault_proxy_knows_nothing_of_the_workspace_and_no_sdk() {
    let all = dependencies();
    assert!(reach(&all, "fault-proxy").is_empty(), "it uses {:?}", reach(&all, "fault-proxy"));
    let sdks: Vec<_> = all["fault-proxy"].iter().filter(|dependency| is_sdk(dependency)).collect();
    assert!(sdks.is_empty(), "fault-proxy depends on {sdks:?}");
}

#[test]
fn one_cloud_does_not_know_the_other() {
    let all = dependencies();
    let clouds = ["cloud-aws", "cloud-gcp", "cloud-memory"];
    for cloud in clouds {
        for other in clouds.iter().filter(|other| **other != cloud) {
            assert!(!reach(&all, cloud).contains(*other), "{cloud} reaches {other}");
        }
    }
}

/// A program that depends on both clouds must be one of these. `replicate` reads the other cloud's archive;
/// `programs` has only thin mains.
#[test]
fn only_few_know_both_clouds() {
    let all = dependencies();
    let both = |name: &&String| {
        let reached = reach(&all, name);
        reached.contains("cloud-aws") && reached.contains("cloud-gcp")
    };
    let know_both: BTreeSet<&str> = all.keys().filter(both).map(String::as_str).collect();
    let may = BTreeSet::from([
        "replicate",
        "programs",
        "deploy",
        "operate",
        "producer-program",
        "harness",
    ]);
    assert!(know_both.is_subset(&may), "{know_both:?} know both clouds; only {may:?} may");
    assert!(know_both.contains("replicate"));
}

#[test]
fn the_product_does_not_know_the_harness_and_nobody_knows_xtask() {
    let all = dependencies();
    for name in [
        "candle",
        "pipeline",
        "cloud-aws",
        "cloud-gcp",
        "replicate",
        "programs",
        "producer-config",
        "producer",
        "producer-program",
        "infra",
        "deploy",
        "operate",
        "toolbox",
    ] {
        for above in ["harness", "sim", "conformance", "cloud-memory"] {
            assert!(!reach(&all, name).contains(above), "{name} reaches {above}");
        }
    }
    for name in all.keys() {
        assert!(!reach(&all, name).contains("xtask"), "{name} reaches xtask");
    }
}

#[test]
fn xtask_is_light() {
    let all = dependencies();
    let mut names = reach(&all, "xtask");
    names.insert("xtask".to_owned());
    for name in names {
        let heavy: Vec<_> =
            all[&name].iter().filter(|d| is_sdk(d) || d.as_str() == "tokio").collect();
        assert!(heavy.is_empty(), "{name}, which xtask needs, depends on {heavy:?}");
    }
}

/// All of its dependencies, at any depth: it must be built within a minute of a fresh clone.
#[test]
fn the_program_of_simulated_clouds_links_no_sdk_and_no_network() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--package", "sim", "--offline", "--prefix", "none"]);
    tree.args(["--edges", "normal,build", "--format", "{p}"]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("run cargo");
    let text = String::from_utf8(output.stdout).expect("cargo tree is UTF-8");
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("cloud-memory") && names.contains("tokio"), "{names:?}");
    let network = ["hyper", "h2", "rustls", "tungstenite", "tokio-tungstenite", "ring"];
    let heavy: Vec<_> =
        names.iter().filter(|name| is_sdk(name) || network.contains(name)).collect();
    assert!(heavy.is_empty(), "sim, at some depth, needs {heavy:?}");
}

/// Packages and the features they are built with, for programs (`dev` false) or for programs and tests.
fn features(dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let edges = if dev { "normal,build,dev" } else { "normal,build" };
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--workspace", "--offline", "--prefix", "none", "--edges", edges]);
    let output =
        tree.args(["--format", "{p}|{f}"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("run cargo");
    let text = String::from_utf8(output.stdout).expect("cargo tree is UTF-8");
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|').expect("a |");
        packages.entry(package.to_owned()).or_default().insert(features.to_owned());
    }
    assert!(packages.len() > 100, "cargo tree lists {} packages", packages.len());
    packages
}

/// Otherwise the first `cargo xtask test` after a `cargo xtask e2e` would build the SDKs a second time.
#[test]
fn tests_ask_no_feature_that_programs_do_not_ask() {
    let (programs, tests) = (features(false), features(true));
    for (package, of_programs) in programs {
        let of_tests = tests.get(&package).cloned().unwrap_or_default();
        let only: Vec<_> = of_tests.difference(&of_programs).collect();
        assert!(
            only.is_empty(),
            "tests build {package} with {only:?}, programs with {of_programs:?}: \
             ask for the same features in integration-tests/Cargo.toml"
        );
    }
}
