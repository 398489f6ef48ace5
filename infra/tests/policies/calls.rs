//! Each call of AWS that the code makes has the right that it needs, in the policy of each principal that makes it.
//!
//! The calls are read from the code: an operation of one of the SDKs' clients, by the name that the SDK gives it. The
//! names of the operations are read from the SDKs' own sources, so that a call that is added tomorrow is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::visit::{self, Visit};

use super::{Statement, all, root};

/// Code that a principal runs, and the statements of its policies.
struct Principal {
    name: &'static str,
    /// Folders and files; after a `#`, the only functions of that file.
    code: &'static [&'static str],
    /// Starts of the places of statements, as in `infra/policies.txt`.
    statements: &'static [&'static str],
}

const STORES: [&str; 3] =
    ["functions/aws/src/store.rs", "functions/aws/src/item.rs", "functions/aws/src/archive.rs"];

const PRINCIPALS: [Principal; 7] = [
    Principal {
        name: "the function ingest",
        code: &[
            "functions/aws/src/store.rs#query,store",
            "functions/aws/src/item.rs",
            "functions/aws/src/archive.rs#try_put",
        ],
        statements: &["infra/aws/stack.yaml IngestRole", "terraform/boundary.tf"],
    },
    Principal {
        name: "the function replicate",
        code: &[
            "functions/aws/src/store.rs#query,store",
            "functions/aws/src/item.rs",
            "functions/aws/src/archive.rs#try_put,list",
            "functions/aws/src/cursor.rs",
            "functions/replicate/src",
        ],
        statements: &["infra/aws/stack.yaml ReplicateRole", "terraform/boundary.tf"],
    },
    Principal {
        name: "Google's function replicate, as google-reader",
        code: &["functions/aws/src/archive.rs#get,list"],
        statements: &["terraform/google.tf aws_iam_role_policy.google_reader"],
    },
    Principal {
        name: "a producer",
        code: &[
            "functions/aws/src/queue.rs#url,publish_batch",
            "functions/aws/src/item.rs#read",
            "functions/producer/src",
        ],
        statements: &["terraform/producer.tf aws_iam_policy.producer"],
    },
    Principal {
        name: "an operator",
        code: &[
            STORES[0],
            STORES[1],
            STORES[2],
            // Its queues are known by URL, from the stack's outputs.
            "functions/aws/src/queue.rs#publish_batch,receive,acknowledge,release",
            "functions/aws/src/register.rs",
            "infra/operate/src/commands",
            "infra/operate/src/lag.rs",
        ],
        statements: &["terraform/operator.tf aws_iam_policy.operator"],
    },
    Principal {
        name: "an operator on a game day",
        code: &["infra/operate/src/game_day"],
        statements: &["terraform/operator.tf"],
    },
    Principal {
        name: "the deploy role",
        code: &[
            "infra/deploy/src",
            "functions/aws/src/queue.rs#publish_batch",
            "functions/aws/src/store.rs#query",
            "functions/aws/src/item.rs#read",
        ],
        statements: &[
            "terraform/permissions.tf read_statements",
            "terraform/permissions.tf plan_statements",
            "terraform/permissions.tf foundation_statements",
            "terraform/permissions.tf deploy_statements",
        ],
    },
];

/// Operations whose right has another name, or that need none.
const RIGHTS: [(&str, &str, &[&str]); 14] = [
    ("s3", "head_object", &["s3:GetObject"]),
    ("s3", "head_bucket", &["s3:ListBucket"]),
    ("s3", "list_objects_v2", &["s3:ListBucket"]),
    ("s3", "list_object_versions", &["s3:ListBucketVersions"]),
    ("s3", "delete_objects", &["s3:DeleteObject", "s3:DeleteObjectVersion"]),
    ("s3", "get_bucket_encryption", &["s3:GetEncryptionConfiguration"]),
    ("s3", "get_bucket_lifecycle_configuration", &["s3:GetLifecycleConfiguration"]),
    ("sqs", "send_message_batch", &["sqs:SendMessage"]),
    ("dynamodb", "transact_write_items", &["dynamodb:PutItem"]),
    ("dynamodb", "batch_get_item", &["dynamodb:GetItem"]),
    ("resourcegroupstagging", "get_resources", &["tag:GetResources"]),
    ("sts", "get_caller_identity", &[]),
    // The role's own trust says which principals may assume it.
    ("sts", "assume_role_with_web_identity", &[]),
    ("eventbridge", "describe_rule", &["events:DescribeRule"]),
];

/// A call in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    file: String,
    function: String,
    /// The SDK's name of the service, and of the operation.
    service: String,
    operation: String,
}

impl Call {
    /// The actions of IAM that it needs.
    fn rights(&self) -> Vec<String> {
        let named = RIGHTS.iter().find(|(service, operation, _)| {
            (*service, *operation) == (self.service.as_str(), self.operation.as_str())
        });
        if let Some((_, _, rights)) = named {
            return rights.iter().map(ToString::to_string).collect();
        }
        let prefix = if self.service == "eventbridge" { "events" } else { &self.service };
        let camel = self.operation.split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        });
        vec![format!("{prefix}:{}", camel.collect::<String>())]
    }
}

impl Principal {
    fn makes(&self, call: &Call) -> bool {
        self.code.iter().any(|code| match code.split_once('#') {
            Some((file, functions)) => {
                call.file == file && functions.split(',').any(|name| name == call.function)
            }
            None => Path::new(&call.file).starts_with(code),
        })
    }
}

/// Operations by name, each with the services that have one of that name: of the SDKs that the workspace uses.
fn operations() -> BTreeMap<String, BTreeSet<String>> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--offline", "--locked"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = metadata.current_dir(root()).output().expect("run cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut operations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let Some(service) = package["name"].as_str().and_then(|name| name.strip_prefix("aws-sdk-"))
        else {
            continue;
        };
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let client = manifest.with_file_name("src").join("client");
        for entry in fs::read_dir(&client).expect("the SDK has a file for each operation") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_string_lossy();
            // The one file there that is no operation.
            if let Some(operation) = name.strip_suffix(".rs").filter(|name| *name != "customize") {
                operations.entry(operation.to_owned()).or_default().insert(service.to_owned());
            }
        }
    }
    operations
}

/// Finds calls in one file.
struct Finder<'a> {
    file: &'a str,
    operations: &'a BTreeMap<String, BTreeSet<String>>,
    /// Services whose SDK the file names; a call of an operation that several have is of one of them.
    named: BTreeSet<String>,
    functions: Vec<String>,
    calls: Vec<Call>,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
        };
        if !module.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.functions.push(function.sig.ident.to_string());
        visit::visit_item_fn(self, function);
        self.functions.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.functions.push(function.sig.ident.to_string());
        visit::visit_impl_item_fn(self, function);
        self.functions.pop();
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let operation = call.method.to_string();
        if let Some(services) = self.operations.get(&operation).filter(|_| call.args.is_empty()) {
            let of_file: BTreeSet<_> = services.intersection(&self.named).collect();
            let service = match (services.len(), of_file.len()) {
                (1, _) => services.first(),
                (_, 1) => of_file.first().copied(),
                _ => panic!("{}: {operation} is of one of {services:?}", self.file),
            };
            self.calls.push(Call {
                file: self.file.to_owned(),
                function: self.functions.last().cloned().unwrap_or_default(),
                service: service.expect("one").clone(),
                operation,
            });
        }
        visit::visit_expr_method_call(self, call);
    }
}

fn calls_of(file: &str, code: &str, operations: &BTreeMap<String, BTreeSet<String>>) -> Vec<Call> {
    let services: BTreeSet<&String> = operations.values().flatten().collect();
    let named = services.into_iter().filter(|service| code.contains(&format!("aws_sdk_{service}")));
    let named = named.cloned().collect();
    let (functions, calls) = (vec![], vec![]);
    let mut finder = Finder { file, operations, named, functions, calls };
    finder.visit_file(&syn::parse_file(code).unwrap_or_else(|error| panic!("{file}: {error}")));
    finder.calls
}

/// Every call of the code that is shipped; tests and stubs are left out.
fn calls() -> Vec<Call> {
    let operations = operations();
    assert!(operations.contains_key("get_item") && operations.contains_key("create_change_set"));
    let mut calls = Vec::new();
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).expect("readable");
        if !text.contains("aws-sdk-") {
            continue;
        }
        for path in rust_files(&manifest.with_file_name("src")) {
            let file = path.strip_prefix(root()).expect("below the root");
            let file = file.to_string_lossy().into_owned();
            let code = fs::read_to_string(&path).expect("readable");
            calls.extend(calls_of(&file, &code, &operations));
        }
    }
    calls.sort();
    calls.dedup();
    calls
}

/// The manifests of the crates whose programs are shipped.
fn manifests() -> Vec<PathBuf> {
    let folders = ["functions", "infra"].map(|folder| root().join(folder));
    let inner =
        folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder is there"));
    let inner = inner.map(|entry| entry.expect("an entry").path());
    let all = inner.chain(folders.clone()).map(|folder| folder.join("Cargo.toml"));
    all.filter(|manifest| manifest.exists()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let left_out = ["tests", "benches", "target", "tests.rs", "stub", "stub.rs"];
        if left_out.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// An action that a statement allows; a `*` at its end stands for any rest.
fn allows(statement: &Statement, right: &str) -> bool {
    statement.effect == "Allow"
        && statement.actions.iter().any(|action| match action.strip_suffix('*') {
            Some(start) => right.starts_with(start),
            None => action == right,
        })
}

/// The rights that a principal's calls need and its policies do not give.
fn missing(principal: &Principal, calls: &[Call], statements: &[Statement]) -> BTreeSet<String> {
    // Where several policies bound each other, as a role and its boundary, each must allow it; where one is made of
    // several lists, one of them must.
    let bounds: BTreeSet<&str> =
        principal.statements.iter().map(|start| start.split(' ').next().unwrap_or(start)).collect();
    let own = |bound: &str, right: &str| {
        statements.iter().any(|statement| {
            statement.place.starts_with(bound)
                && principal.statements.iter().any(|start| statement.place.starts_with(start))
                && allows(statement, right)
        })
    };
    let rights = calls.iter().filter(|call| principal.makes(call)).flat_map(Call::rights);
    rights.filter(|right| !bounds.iter().all(|bound| own(bound, right))).collect()
}

#[test]
fn each_call_has_its_right_in_the_policy_of_who_makes_it() {
    let (calls, statements) = (calls(), all());
    assert!(calls.len() > 30, "{calls:#?}");
    let orphans: Vec<_> = calls
        .iter()
        .filter(|call| !PRINCIPALS.iter().any(|principal| principal.makes(call)))
        .collect();
    assert!(orphans.is_empty(), "name the principal that makes these calls: {orphans:#?}");
    for principal in &PRINCIPALS {
        for code in principal.code {
            let (file, functions) = code.split_once('#').unwrap_or((code, ""));
            assert!(root().join(file).exists(), "{}: no {file}", principal.name);
            for function in functions.split(',').filter(|name| !name.is_empty()) {
                let makes = calls.iter().any(|call| call.file == file && call.function == function);
                assert!(makes, "{}: {function} of {file} makes no call", principal.name);
            }
        }
        let missing = missing(principal, &calls, &statements);
        assert!(
            missing.is_empty(),
            "{} makes calls that {:?} do not allow: {missing:?}",
            principal.name,
            principal.statements
        );
    }
}

#[test]
fn a_call_without_its_right_is_found() {
    let operations = operations();
    let code = "use aws_sdk_sqs::Client; async fn clear(client: &Client) { client.purge_queue().send().await; }";
    let calls = calls_of("functions/producer/src/clear.rs", code, &operations);
    assert_eq!(calls.len(), 1, "{calls:?}");
    let producer = PRINCIPALS.iter().find(|principal| principal.name == "a producer");
    let missing = missing(producer.expect("a producer"), &calls, &all());
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["sqs:PurgeQueue"]);
}
