//! New code alone: it works and stays, or it does not and is taken back.

use std::fs;
use std::path::Path;
use std::time::Instant;

use infra::package::lambda_zip;
use serde_json::Value;

use super::{Up, compared, on_processes};
use crate::command::{Ran, artifacts};

/// The artifacts with another bootstrap of ingest.
fn with_bootstrap(make: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&artifacts(), folder.path());
    let zip = folder.path().join("aws/ingest.zip");
    let mut archive = zip::ZipArchive::new(fs::File::open(&zip).expect("open")).expect("a zip");
    let mut bootstrap = Vec::new();
    std::io::copy(&mut archive.by_name("bootstrap").expect("the bootstrap"), &mut bootstrap)
        .expect("unpack");
    let binary = folder.path().join("bootstrap");
    fs::write(&binary, make(bootstrap)).expect("write");
    let digest = lambda_zip(&binary, &zip).expect("pack");
    let path = folder.path().join("manifest.json");
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let all = manifest["artifacts"].as_array_mut().expect("artifacts");
    let ingest = all.iter_mut().find(|artifact| artifact["name"] == "aws-ingest");
    let ingest = ingest.expect("aws-ingest is in the manifest");
    ingest["bytes"] = digest.bytes.into();
    ingest["sha256"] = digest.sha256.into();
    fs::write(&path, manifest.to_string()).expect("write");
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir_all(&target).expect("create");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copy");
        }
    }
}

fn code_only(up: &Up, artifacts: &Path, more: &[&str]) -> Ran {
    let words = [&["deploy", "aws", "--code-only", "--json"][..], more].concat();
    let mut command = up.checkout.deploy_command(&on_processes(&words));
    command.env("TWINCLOUD_ARTIFACTS", artifacts);
    Ran::of(&command.output().expect("run the deploy engine"))
}

fn live(up: &Up) -> String {
    up.json(&["status"])["aws"]["functions"][0].as_str().expect("a function").to_owned()
}

#[test]
fn what_works_stays_and_what_does_not_is_taken_back() {
    let up = Up::new();
    up.ok(&["deploy", "aws", "--yes"]);
    assert!(live(&up).ends_with("version 1"), "{}", live(&up));

    // Bytes after an ELF file's end change its hash and nothing else.
    let works = with_bootstrap(|mut bootstrap| {
        bootstrap.extend_from_slice(b"another");
        bootstrap
    });
    let begun = Instant::now();
    let ran = code_only(&up, works.path(), &[]);
    ran.assert_code(0);
    println!("code only: {} ms", begun.elapsed().as_millis());
    // The stack, told of it, publishes the same once more.
    let good = live(&up);
    assert!(!good.ends_with("version 1"), "{good}");
    assert_eq!(compared(&up.ok(&["drift", "aws"])), ["aws: as it was deployed"]);
    // The stack knows: the same code is no change.
    let mut plan = up.checkout.deploy_command(&on_processes(&["plan", "aws", "--json"]));
    plan.env("TWINCLOUD_ARTIFACTS", works.path());
    let plan = Ran::of(&plan.output().expect("run the deploy engine"));
    assert_eq!(plan.json()["changes"], 0, "{}", plan.stdout);

    let fails = with_bootstrap(|_| b"#!/bin/sh\nexit 1\n".to_vec());
    let ran = code_only(&up, fails.path(), &["--set", "trading.smoke_timeout_s=4"]);
    ran.assert_code(1);
    assert!(ran.stderr.contains("has the messages again"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is in no candle after"), "{}", ran.stderr);
    assert_eq!(live(&up), good);
    assert_eq!(compared(&up.ok(&["drift", "aws"])), ["aws: as it was deployed"]);
    // And it still works.
    code_only(&up, works.path(), &[]).assert_code(0);
}
