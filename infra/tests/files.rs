//! What is rendered fits the Terraform roots' variables, and looks as it looked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hcl::{Body, Expression};
use infra::Settings;
use infra::files::{self, File, KnownProducer, KnownRegion, ResolvedOutputs};
use infra::render::{Code, CodeObject};
use serde_json::Value;

fn settings(env: &str, sets: &[&str]) -> Settings {
    let text = include_str!("../../twincloud.toml");
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Settings::parse(Path::new("twincloud.toml"), text, Some(env), &sets, std::iter::empty())
        .expect("valid")
}

fn everything() -> ResolvedOutputs {
    let image =
        |name: &str| format!("registry.example/project/images/{name}@sha256:{}", "0".repeat(64));
    let object = |name: &str| CodeObject {
        key: format!("{name}/0.zip"),
        sha256_base64: format!("{}=", "A".repeat(43)),
    };
    ResolvedOutputs {
        aws_account: Some("123456789012".to_owned()),
        code: Some(Code {
            bucket: "artifacts".to_owned(),
            ingest: object("ingest"),
            replicate: Some(object("replicate")),
        }),
        aws_endpoint: None,
        gcs_endpoint: None,
        alert_topic_arn: Some("arn:aws:sns:us-east-1:123456789012:alerts".to_owned()),
        functions_boundary_arn: Some("arn:aws:iam::123456789012:policy/boundary".to_owned()),
        google_reader_role_arn: Some("arn:aws:iam::123456789012:role/reader".to_owned()),
        google_audience_for_aws: Some(
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
                .to_owned(),
        ),
        ingest_image: Some(image("ingest")),
        replicate_image: Some(image("replicate")),
        producer: Box::new(KnownProducer {
            image: Some(image("producer")),
            program: Some(format!("producer/{}.bin", "0".repeat(64))),
            google_subject: Some("109876543210987654321".to_owned()),
            google_role_arn: Some("arn:aws:iam::123456789012:role/producer".to_owned()),
        }),
        google_replicate_subject: Some("123456789012345678901".to_owned()),
        regions: BTreeMap::new(),
    }
}

/// A value for each setting that has none by default.
const OPTIONAL: [&str; 25] = [
    "aws.account=123456789012",
    "project.tags.team=data",
    "github.repository=owner/name",
    "github.owner_id=123456",
    "github.repository_id=456789",
    "github.environments=production",
    "github.branches=main",
    "alerts.email=somebody@example.com",
    "aws.replicate.name={prefix}-replicate",
    "aws.replicate.role={prefix}-{environment}-copy",
    "aws.state.bucket=aws-state",
    "gcp.image_repository=images",
    "gcp.workload_identity_pool=outside",
    "gcp.role_suffix=2",
    "producer.host.clouds=aws,gcp",
    "producer.host.aws_subnet=subnet-0123456789abcdef0",
    "producer.host.gcp_zone=us-central1-c",
    "gcp.operators=[\"group:operators@example.com\"]",
    "gcp.game_day_operators=[\"group:operators@example.com\"]",
    "gcp.pubsub.publishers=serviceAccount:producer@project.iam.gserviceaccount.com",
    "gcp.firestore.location=nam5",
    "gcp.archive.location=US",
    "gcp.replicate.service={prefix}-replicate",
    "gcp.budget.billing_account=012345-6789AB-CDEF01",
    "gcp.state.bucket=gcp-state",
];

fn rendered(settings: &Settings, known: &ResolvedOutputs) -> Vec<File> {
    files::render(settings, known).expect("it renders")
}

fn json(files: &[File], path: &str) -> BTreeMap<String, Value> {
    let file = files.iter().find(|file| file.path == path).expect("the file is rendered");
    serde_json::from_str(&file.text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A variable as its root declares it.
struct Variable {
    type_of: String,
    default: Option<Expression>,
}

fn declared(hcl: &str) -> BTreeMap<String, Variable> {
    let body: Body = hcl::parse(hcl).expect("the root's variables parse");
    body.blocks()
        .filter(|block| block.identifier() == "variable")
        .map(|block| {
            let name = block.labels().first().expect("a variable has a name").as_str().to_owned();
            let attribute = |key: &str| {
                let mut all = block.body().attributes();
                all.find(|attribute| attribute.key() == key).map(|a| a.expr().clone())
            };
            let type_of =
                hcl::format::to_string(&attribute("type").expect("a variable has a type"))
                    .expect("a type is an expression");
            (name, Variable { type_of, default: attribute("default") })
        })
        .collect()
}

fn fits(type_of: &str, value: &Value) -> bool {
    let (outer, inner) = type_of.trim_end_matches(')').split_once('(').unwrap_or((type_of, ""));
    match outer {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "list" => value.as_array().is_some_and(|items| items.iter().all(|v| fits(inner, v))),
        "map" => value.as_object().is_some_and(|map| map.values().all(|v| fits(inner, v))),
        other => panic!("no rule for the type {other}"),
    }
}

/// The roots: the rendered file, and the variables' HCL.
const ROOTS: [(&str, &str); 2] = [
    ("terraform/terraform.tfvars.json", include_str!("../../terraform/variables.tf")),
    ("terraform-gcp/terraform.tfvars.json", include_str!("../../terraform-gcp/variables.tf")),
];

#[test]
fn each_variable_is_rendered_and_each_rendered_one_declared() {
    for (path, hcl) in ROOTS {
        let declared = declared(hcl);
        assert!(declared.len() > 20, "{path}: {} variables", declared.len());
        let values = json(&rendered(&settings("dev", &[]), &ResolvedOutputs::default()), path);
        let names: Vec<_> = values.keys().collect();
        assert_eq!(names, declared.keys().collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn the_types_fit_and_null_is_only_where_null_is_the_default() {
    let bare = rendered(&settings("prod", &[]), &ResolvedOutputs::default());
    let full = rendered(&settings("prod", &OPTIONAL), &everything());
    for (path, hcl) in ROOTS {
        for (files, complete) in [(&bare, false), (&full, true)] {
            let values = json(files, path);
            for (name, variable) in declared(hcl) {
                let value = &values[&name];
                if value.is_null() {
                    assert_eq!(variable.default, Some(Expression::Null), "{path}: {name} is null");
                    assert!(!complete, "{path}: {name} is null, though it has a value");
                } else {
                    let type_of = &variable.type_of;
                    assert!(fits(type_of, value), "{path}: {name} is {value}, not {type_of}");
                }
            }
        }
    }
}

#[test]
fn what_the_settings_leave_open_is_the_variables_default() {
    // Names and environments that the settings know are better than none.
    let known_better = [
        "stack_name",
        "bootstrap_stack_name",
        "ingest_env",
        "replicate_env",
        "replicate_name",
        "aws_replicate_roles",
        "github_environments",
    ];
    for (path, hcl) in ROOTS {
        let values = json(&rendered(&settings("dev", &[]), &ResolvedOutputs::default()), path);
        for (name, variable) in declared(hcl) {
            let Some(default) = variable.default else { continue };
            if known_better.contains(&name.as_str()) {
                continue;
            }
            let default: hcl::Value = hcl::from_str::<BTreeMap<String, hcl::Value>>(&format!(
                "it = {}",
                hcl::format::to_string(&default).expect("a default is an expression")
            ))
            .expect("a default is a value")["it"]
                .clone();
            let default = serde_json::to_value(default).expect("a default is JSON");
            assert_eq!(values[&name], default, "{path}: {name}");
        }
    }
}

#[test]
fn both_roots_get_what_the_two_forms_of_a_subject_are_made_of() {
    let sets = ["github.repository=o/r", "github.owner_id=1", "github.repository_id=2"];
    for (path, _) in ROOTS {
        let with = json(&rendered(&settings("dev", &sets), &ResolvedOutputs::default()), path);
        let names = ["github_repository", "github_owner_id", "github_repository_id"];
        assert_eq!(names.map(|name| with[name].as_str()), [Some("o/r"), Some("1"), Some("2")]);
        let without =
            json(&rendered(&settings("dev", &sets[..1]), &ResolvedOutputs::default()), path);
        let names = ["github_owner_id", "github_repository_id"];
        assert!(names.iter().all(|name| without[*name].is_null()), "{path}: {without:?}");
    }
    let jobs = |env: &str, sets: &[&str]| {
        let settings = settings(env, sets);
        (settings.github_deploy_subjects(), settings.github_plan_subjects())
    };
    let both = |job: &str| vec![format!("repo:o/r:{job}"), format!("repo:o@1/r@2:{job}")];
    assert_eq!(jobs("dev", &sets), (both("environment:dev"), both("pull_request")));
    let branches = [&sets[..], &["github.branches=main"]].concat();
    let of_prod = [both("environment:prod"), both("ref:refs/heads/main")].concat();
    assert_eq!(jobs("prod", &branches), (of_prod, vec![]));
    let (deploy, plan) = jobs("dev", &sets[..1]);
    assert_eq!([deploy, plan].concat(), ["repo:o/r:environment:dev", "repo:o/r:pull_request"]);
    assert_eq!(jobs("dev", &[]), (vec![], vec![]), "no repository, no jobs");
}

#[test]
fn an_environment_trusts_the_jobs_of_its_own_name_and_prod_no_pull_request() {
    for (path, _) in ROOTS {
        let trusted = |env: &str, sets: &[&str]| {
            let values = json(&rendered(&settings(env, sets), &ResolvedOutputs::default()), path);
            (values["github_environments"].clone(), values["github_pull_requests"].clone())
        };
        for sets in [&[][..], &["github.repository=o/r"]] {
            assert_eq!(trusted("dev", sets), (serde_json::json!(["dev"]), true.into()), "{path}");
            assert_eq!(
                trusted("prod", sets),
                (serde_json::json!(["prod"]), false.into()),
                "{path}"
            );
        }
        let named = ["github.environments=production"];
        assert_eq!(trusted("prod", &named), (serde_json::json!(["production"]), false.into()));
    }
    let region = &rendered(&with_regions("deveu"), &ResolvedOutputs::default());
    let values = json(region, "terraform/terraform.tfvars.json");
    assert_eq!(values["github_environments"], serde_json::json!(["deveu"]));
}

/// `dev` with two more regions, as `env`.
fn with_regions(env: &str) -> Settings {
    let text = include_str!("../../twincloud.toml");
    let region = |name, region| {
        format!(
            "[env.{name}.project]\nregion_of = \"dev\"\n[env.{name}.aws]\nregion = \"{region}\"\n"
        )
    };
    let text = format!("{text}\n{}{}", region("devap", "ap-east-1"), region("deveu", "eu-west-1"));
    let path = Path::new("twincloud.toml");
    Settings::parse(path, &text, Some(env), &[], std::iter::empty()).expect("valid")
}

#[test]
fn google_copies_from_each_region_that_it_has_a_way_into() {
    let settings = with_regions("dev");
    let region = |bucket: &str, role: Option<&str>| KnownRegion {
        bucket: Some(bucket.to_owned()),
        google_reader_role_arn: role.map(str::to_owned),
    };
    let mut known = everything();
    let peers = |known: &ResolvedOutputs| -> Vec<(String, String)> {
        let env = settings.gcp_replicate_env(known).into_iter();
        env.filter(|(name, _)| name.starts_with("TWINCLOUD_PEER_2")).collect()
    };
    assert_eq!(peers(&known), [], "none is deployed");
    let first = |part: &str, env: &str, region: &str| {
        format!("{env} in {region}: `cargo xtask deploy {part} --env {env}` comes first")
    };
    let none = [first("aws", "devap", "ap-east-1"), first("aws", "deveu", "eu-west-1")];
    assert_eq!(settings.regions_left_out(&known), none);
    known.regions.insert("devap".to_owned(), region("ap", None));
    known.regions.insert("deveu".to_owned(), region("eu", Some("arn:eu")));
    let second = [
        ("AUDIENCE", "sts.amazonaws.com"),
        ("BUCKET", "eu"),
        ("ENDPOINT", ""),
        ("REGION", "eu-west-1"),
        ("ROLE", "arn:eu"),
    ];
    let second = second.map(|(name, value)| (format!("TWINCLOUD_PEER_2_{name}"), value.to_owned()));
    assert_eq!(peers(&known), second);
    let no_role = [first("foundation", "devap", "ap-east-1")];
    assert_eq!(settings.regions_left_out(&known), no_role);
    // An emulator assumes no role.
    known.aws_endpoint = Some("http://127.0.0.1:1".to_owned());
    let env = settings.gcp_replicate_env(&known);
    assert_eq!((&*env["TWINCLOUD_PEER_2_BUCKET"], &*env["TWINCLOUD_PEER_3_BUCKET"]), ("ap", "eu"));
    assert_eq!(env["TWINCLOUD_PEER_3_ENDPOINT"], "http://127.0.0.1:1");

    let values = json(&rendered(&settings, &known), "terraform-gcp/terraform.tfvars.json");
    let roles = ["dev", "devap", "deveu"].map(|env| format!("blockchain-core-{env}-replicate"));
    assert_eq!(values["aws_replicate_roles"], serde_json::json!(roles));
    let regions = settings.producer_config().aws.regions;
    assert_eq!(regions.keys().collect::<Vec<_>>(), ["ap-east-1", "eu-west-1"]);
    for there in regions.values() {
        assert_eq!(there.queue, "blockchain-core-trade-data");
        assert_eq!(there.table, "blockchain-core-ohlcv-data");
    }
}

#[test]
fn an_environment_in_another_region_has_no_producer_of_its_own() {
    let more =
        "[env.deveu.project]\nregion_of = \"dev\"\n[env.deveu.aws]\nregion = \"eu-west-1\"\n";
    let text = format!("{}\n{more}", include_str!("../../twincloud.toml"));
    for (env, has_one) in [("dev", true), ("deveu", false)] {
        let sets = ["producer.host.clouds=aws,gcp".to_owned()];
        let path = Path::new("twincloud.toml");
        let settings = Settings::parse(path, &text, Some(env), &sets, std::iter::empty());
        let settings = settings.expect("valid");
        assert_eq!(["aws", "gcp"].map(|cloud| settings.has_producer_at(cloud)), [has_one; 2]);
        let values = json(
            &rendered(&settings, &ResolvedOutputs::default()),
            "terraform/terraform.tfvars.json",
        );
        assert_eq!(values["producer_unit"].is_string(), has_one, "{env}");
    }
}

#[test]
fn the_producer_may_send_to_each_region_among_its_targets() {
    let regions = |sets: &[&str]| {
        let more = "[env.deveu.project]\nregion_of = \"dev\"\n[env.deveu.aws]\nregion = \"eu-west-1\"\ntable = \"candles-eu\"\n";
        let text = format!("{}\n{more}", include_str!("../../twincloud.toml"));
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let path = Path::new("twincloud.toml");
        let settings = Settings::parse(path, &text, Some("dev"), &sets, std::iter::empty());
        let files = rendered(&settings.expect("valid"), &ResolvedOutputs::default());
        json(&files, "terraform/terraform.tfvars.json")["producer_regions"].clone()
    };
    let queue = "blockchain-core-trade-data";
    assert_eq!(regions(&[]), serde_json::json!([]));
    assert_eq!(
        regions(&["route.targets=aws,gcp-europe-west1,aws-us-east-1,aws-eu-west-1,aws-ap-east-1"]),
        serde_json::json!([
            { "region": "eu-west-1", "queue": queue, "table": "candles-eu" },
            { "region": "ap-east-1", "queue": queue, "table": "blockchain-core-ohlcv-data" },
        ])
    );
}

#[test]
fn another_region_copies_from_its_homes_google_side_and_deploys_none() {
    let (home, there) = (with_regions("dev"), with_regions("deveu"));
    let peer = |settings: &Settings| {
        settings.aws_replicate_env("123456789012", &everything())["TWINCLOUD_PEER_BUCKET"].clone()
    };
    assert_eq!(peer(&there), peer(&home));
    let paths = |settings| -> Vec<&str> {
        rendered(settings, &everything()).into_iter().map(|file| file.path).collect()
    };
    let (all, some) = (paths(&home), paths(&there));
    let left_out: Vec<_> = all.into_iter().filter(|path| !some.contains(path)).collect();
    assert_eq!(left_out, ["terraform-gcp/terraform.tfvars.json", "gcp.gcs.tfbackend"]);
}

#[test]
fn the_stack_has_no_code_before_the_upload() {
    let keys = |known: &ResolvedOutputs| -> Vec<String> {
        let files = rendered(&settings("dev", &[]), known);
        let file = files.iter().find(|file| file.path == "stack-parameters.json").expect("there");
        let list: Vec<BTreeMap<String, String>> = serde_json::from_str(&file.text).expect("JSON");
        list.into_iter().map(|entry| entry["ParameterKey"].clone()).collect()
    };
    let (without, with) = (keys(&ResolvedOutputs::default()), keys(&everything()));
    let more: Vec<_> = with.iter().filter(|key| !without.contains(key)).collect();
    assert_eq!(
        more,
        ["ArtifactBucket", "ArtifactKey", "CodeSha256", "ReplicateArtifactKey", "Revision"]
    );
    assert_eq!(with.len(), without.len() + more.len());
}

#[test]
fn what_is_not_known_says_where_it_comes_from() {
    assert_eq!(everything().missing(), [""; 0]);
    insta::assert_snapshot!("not_known", ResolvedOutputs::default().missing().join("\n"));
}

#[test]
fn every_file_of_each_environment() {
    for (name, env, sets, known) in [
        ("dev", "dev", &[][..], ResolvedOutputs::default()),
        ("prod", "prod", &[][..], ResolvedOutputs::default()),
        ("prod_complete", "prod", &OPTIONAL[..], everything()),
    ] {
        let mut all = String::new();
        for file in rendered(&settings(env, sets), &known) {
            writeln!(all, "===== {}\n{}", file.path, file.text).expect("to a string");
        }
        insta::assert_snapshot!(name, all);
    }
}

#[test]
fn files_are_written_whole_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings("dev", &[]);
    let files = rendered(&settings, &ResolvedOutputs::default());
    for _ in 0..2 {
        let paths = files::write(&files, folder.path()).expect("written");
        assert_eq!(paths.len(), 11);
        for (path, file) in paths.iter().zip(&files) {
            assert_eq!(std::fs::read_to_string(path).expect("there"), file.text);
        }
    }
    // Nothing half-written stays.
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 9 + 2, "nine files and two folders");
    assert_eq!(files::folder(&settings), Path::new("outputs/rendered/dev"));

    let error = files::write(&files, &folder.path().join(".env")).expect_err("not a folder");
    assert!(!error.is_usage());
    let error = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!("not_a_folder", error);
}

#[test]
fn a_terraform_root_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("terraform-gcp");
    std::fs::create_dir(&root).expect("made");
    std::fs::write(root.join("variables.tf"), "").expect("written");
    let files = rendered(&settings("dev", &[]), &ResolvedOutputs::default());
    let error = files::write(&files, folder.path()).expect_err("a root");
    assert!(error.is_usage());
    let error = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!("into_a_root", error);
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 1, "nothing was written");
}

#[test]
fn terraform_exempts_the_collection_that_the_functions_write_to() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read =
        |file: &str| std::fs::read_to_string(root.join(file)).expect("a file of the workspace");
    let between = |text: String, start: &str| {
        let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
        rest.split('"').next().map(str::to_owned)
    };
    let written = between(read("functions/gcp/src/store.rs"), "const CANDLES: &str = \"");
    assert_eq!(
        between(read("terraform-gcp/modules/pipeline/firestore.tf"), "candles_collection = \""),
        written
    );
    let pieces = between(read("functions/gcp/src/store.rs"), "const PIECES: &str = \"");
    assert_eq!(
        between(read("terraform-gcp/modules/pipeline/firestore.tf"), "pieces_collection  = \""),
        pieces
    );
}
