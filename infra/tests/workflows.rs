//! Promises of the workflows that no run here shows: when they sign in and as whom, and that a pull request's text stays text.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphyr::{LoadableYamlNode as _, YamlOwned};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows")
}

fn workflow(name: &str) -> YamlOwned {
    let text = fs::read_to_string(folder().join(name)).expect("the workflow is there");
    YamlOwned::load_from_str(&text).expect("it parses").remove(0)
}

fn text(node: &YamlOwned, key: &str) -> String {
    node.as_mapping_get(key).and_then(YamlOwned::as_str).unwrap_or_default().to_owned()
}

/// The jobs of a workflow, each with its steps.
fn jobs(workflow: &YamlOwned) -> Vec<(String, Vec<YamlOwned>)> {
    let jobs = workflow.as_mapping_get("jobs").and_then(YamlOwned::as_mapping).expect("jobs");
    let steps = |job: &YamlOwned| job.as_mapping_get("steps").and_then(YamlOwned::as_vec).cloned();
    jobs.iter()
        .map(|(name, job)| (name.as_str().expect("a name").to_owned(), steps(job).expect("steps")))
        .collect()
}

#[test]
fn a_job_builds_before_it_signs_in() {
    let mut signed_in = Vec::new();
    for (job, steps) in jobs(&workflow("deploy.yml")) {
        let at = |key: &str, begin: &str| {
            steps.iter().position(|step| text(step, key).starts_with(begin))
        };
        let Some(sign_in) = at("uses", "aws-actions/configure-aws-credentials@") else { continue };
        let built = at("run", "cargo xtask build").expect("it builds");
        assert!(built < sign_in, "{job}: what it signs in for may end before it is used");
        let with = steps[sign_in].as_mapping_get("with").expect("arguments");
        assert!(with.as_mapping_get("role-duration-seconds").is_some(), "{job}");
        signed_in.push(job);
    }
    assert_eq!(signed_in, ["plan", "dev", "prod"]);
}

#[test]
fn a_job_that_signs_in_is_of_the_environment_that_it_changes_and_destroys_nothing() {
    let deploy = workflow("deploy.yml");
    for (job, steps) in jobs(&deploy) {
        for step in steps {
            let run = text(&step, "run");
            assert!(!run.contains("xtask destroy"), "{job} would stop half-way");
            let Some((_, environment)) = run.split_once("xtask deploy all --env ") else {
                continue;
            };
            let environment = environment.split(' ').next().expect("a name").to_owned();
            let jobs = deploy.as_mapping_get("jobs").expect("jobs");
            let of = text(jobs.as_mapping_get(&job).expect("the job"), "environment");
            assert_eq!(of, environment, "{job}");
        }
    }
}

#[test]
fn what_dependabot_opens_is_not_planned() {
    let deploy = workflow("deploy.yml");
    let plan = deploy.as_mapping_get("jobs").and_then(|jobs| jobs.as_mapping_get("plan"));
    let condition = text(plan.expect("the job"), "if");
    assert!(condition.contains("pull_request.user.login != 'dependabot[bot]'"), "{condition}");
}

/// An action is code that runs with the job's rights: it comes by the commit that was looked at, with its version for a reader.
#[test]
fn every_action_is_pinned_by_its_commit() {
    let mut actions = 0;
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("it is there");
        for line in text.lines() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let (commit, version) = action
                .split_once('@')
                .and_then(|(_, pin)| pin.split_once(" # v"))
                .unwrap_or_else(|| panic!("{}: {action}", path.display()));
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit && version.contains('.'), "{}: {action}", path.display());
            actions += 1;
        }
    }
    assert!(actions > 20, "only {actions} actions were found");
}

#[test]
fn a_release_is_attested_before_it_is_published_by_a_job_that_runs_no_checkout() {
    let release = workflow("release.yml");
    let all = release.as_mapping_get("jobs").expect("jobs");
    let rights = |job: &str| {
        let permissions = all.as_mapping_get(job).and_then(|job| job.as_mapping_get("permissions"));
        let permissions = permissions.and_then(YamlOwned::as_mapping).expect("permissions");
        permissions.keys().filter_map(YamlOwned::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rights("build"), ["contents"]);
    assert_eq!(rights("publish"), ["contents", "id-token", "attestations"]);
    let jobs = jobs(&release);
    let steps = |name: &str| &jobs.iter().find(|(job, _)| job == name).expect("the job").1;
    let reads = all.as_mapping_get("build").and_then(|job| job.as_mapping_get("permissions"));
    assert_eq!(text(reads.expect("permissions"), "contents"), "read");
    assert!(steps("build").iter().all(|step| !text(step, "uses").contains("cache")), "no cache");
    let publish = steps("publish");
    assert!(publish.iter().all(|step| !text(step, "uses").starts_with("actions/checkout")));
    let at = |key: &str, begin: &str| {
        let found = publish.iter().position(|step| text(step, key).starts_with(begin));
        found.unwrap_or_else(|| panic!("a step whose {key} begins with {begin}"))
    };
    let (sums, attest) = (at("run", "sha256sum "), at("uses", "actions/attest-build-provenance@"));
    assert!(sums < attest && attest < at("run", "gh release create "));
    let subjects = publish[attest].as_mapping_get("with").expect("arguments");
    let subjects = text(subjects, "subject-path");
    assert_eq!(
        subjects.split_whitespace().collect::<Vec<_>>(),
        ["release/SHA256SUMS", "release/*.gz"]
    );
    let environment = release.as_mapping_get("env").expect("variables");
    assert_eq!(text(environment, "TWINCLOUD_RELEASES"), "off", "it takes no release");
}

/// The comment that the workflow makes of a plan.
fn comment(plan: &str) -> String {
    let jobs = jobs(&workflow("deploy.yml"));
    let (_, steps) = jobs.iter().find(|(name, _)| name == "comment").expect("the job");
    let script = steps.iter().map(|step| text(step, "run")).find(|run| !run.is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::create_dir_all(path.join("plans")).expect("create");
    fs::write(path.join("plans/plan-aws.txt"), plan).expect("write");
    fs::create_dir(path.join("bin")).expect("create");
    let gh = path.join("bin/gh");
    fs::write(&gh, "#!/bin/sh\nexit 0\n").expect("write");
    fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).expect("set");
    let search = format!("{}:{}", path.join("bin").display(), std::env::var("PATH").expect("set"));
    let mut bash = Command::new("bash");
    bash.args(["-e", "-o", "pipefail", "-c", &script.expect("a script")]).current_dir(path);
    bash.env("PATH", search).env("NUMBER", "1").env("REPOSITORY", "o/r").env("RUN", "https://run");
    let output = bash.output().expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(path.join("comment.md")).expect("a comment")
}

#[test]
fn a_plan_stays_in_its_fence() {
    let long = "~".repeat(40);
    let plan =
        format!("  ~ queue\n~~~~~~\n@everyone\n   {long}\n\r~~~~~~~~\r<img>\n~~~~~~ \n```\nend");
    let comment = comment(&plan);
    let fences: Vec<usize> = comment
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with("~~~"))
        .map(|(number, _)| number)
        .collect();
    let at =
        |words: &str| comment.lines().position(|line| line.contains(words)).expect("it is there");
    let [begin, end] = fences[..] else { panic!("more than one fence:\n{comment}") };
    assert!(begin < at("~ queue") && at("@everyone") < end && at("<img>") < end, "{comment}");
    assert_eq!(end, at("end") + 1, "{comment}");
    assert!(comment.contains("No plan: see the log of [this run](https://run)"), "{comment}");
}

#[test]
fn a_comment_is_no_longer_than_a_comment_may_be() {
    assert!(comment(&"~~~~\n".repeat(20_000)).len() < 32_000);
}

/// CI installs packages of the Python package index only with their hashes.
#[test]
fn what_comes_from_pypi_comes_by_its_hash() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("it is there");
    for installs in [".ci/checkers", ".ci/google-provider"].map(read) {
        assert!(installs.contains("--require-hashes") && installs.contains("--only-binary :all:"));
    }
    let mut scripts = Vec::new();
    let entries =
        [folder(), root.join(".ci")].map(|folder| fs::read_dir(folder).expect("a folder"));
    for entry in entries.into_iter().flatten() {
        let path = entry.expect("an entry").path();
        // Those two are looked at by themselves.
        if path.is_dir() || path.ends_with("checkers") || path.ends_with("google-provider") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        scripts.push((name, fs::read_to_string(path).expect("it is there")));
    }
    let mut called = Vec::new();
    for (script, text) in &scripts {
        for way in ["pipx ", "pip install", "-m pip", "uv tool", "uvx "] {
            assert!(!text.contains(way), "{script} has `{way}`");
        }
        let lines = text.lines().filter_map(|line| line.split_once(".ci/checkers \""));
        let names = lines.flat_map(|(_, rest)| rest.split(' ').skip(1));
        called.extend(names.filter(|name| !name.contains('$')).map(str::to_owned));
    }
    called.extend(read(".ci/run").lines().filter_map(|line| {
        let name = line.trim().strip_prefix("checker ")?;
        Some(name.trim_end_matches(" &").to_owned())
    }));
    called.extend(["google-provider", "cdktn-provider-google"].map(str::to_owned));
    called.sort();
    called.dedup();
    let pinned = fs::read_dir(root.join(".ci/requirements")).expect("a folder");
    let pinned =
        pinned.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut pinned: Vec<_> =
        pinned.filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned())).collect();
    pinned.sort();
    assert_eq!(called, pinned, "what the scripts install, and what .ci/requirements pins");
    for name in called {
        let text = read(&format!(".ci/requirements/{name}.txt"));
        // The environment of the stand-in provider has libraries only.
        if name != "google-provider" {
            assert!(text.contains(&format!("\n{name}==")), "{name}");
        }
        // Each package begins a line, and its hashes follow.
        let packages =
            text.split('\n').filter(|line| line.contains("==") && !line.starts_with('#'));
        assert!(packages.clone().all(|line| line.ends_with(" \\")), "{name}");
        let hashes = text.matches("--hash=sha256:").count();
        assert!(hashes >= packages.count(), "{name}");
    }
    let dependabot = read(".github/dependabot.yml");
    assert!(dependabot.contains("/.ci/requirements]"), "new versions come by pull requests");
}
