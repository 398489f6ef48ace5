//! Each call of AWS that the code makes has the right that it needs, in the policy of each principal that makes it.
//!
//! The calls are read from the code: an operation of one of the SDKs' clients, by the name that the SDK gives it. The
//! names of the operations are read from the SDKs' own sources, so that a call that is added tomorrow is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use syn::visit::{self, Visit};

use super::code::{check_code, each_function, is_in, methods_in, packages, sources};
use super::{Statement, all};

/// Code that a principal runs, and the statements of its policies.
struct Principal {
    name: &'static str,
    /// Files and functions, in the syntax of [`is_in`].
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
        statements: &["infra/aws/stack.yaml IngestRole", "terraform/modules/deployer/boundary.tf"],
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
        statements: &[
            "infra/aws/stack.yaml ReplicateRole",
            "terraform/modules/deployer/boundary.tf",
        ],
    },
    Principal {
        name: "Google's function replicate, as google-reader",
        code: &["functions/aws/src/archive.rs#get,list", "functions/federation/src"],
        statements: &["terraform/modules/access/google.tf aws_iam_role_policy.google_reader"],
    },
    Principal {
        name: "a producer",
        code: &[
            "functions/aws/src/queue.rs#url,publish_batch",
            "functions/aws/src/item.rs#read",
            "functions/federation/src",
            "functions/producer-program/src",
        ],
        statements: &["terraform/modules/producer/producer.tf aws_iam_policy.producer"],
    },
    Principal {
        name: "an operator",
        code: &[
            STORES[0],
            STORES[1],
            STORES[2],
            // Its queues are known by URL, from the stack's outputs.
            "functions/aws/src/queue.rs#publish_batch,receive,acknowledge,release",
            "functions/aws/src/override_store.rs",
            "infra/operate/src/commands",
            "infra/operate/src/lag.rs",
        ],
        statements: &["terraform/modules/access/operator.tf aws_iam_policy.operator"],
    },
    Principal {
        name: "an operator on a game day",
        code: &["infra/operate/src/game_day"],
        statements: &["terraform/modules/access/operator.tf"],
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
            "terraform/modules/deployer/permissions.tf read_statements",
            "terraform/modules/deployer/permissions.tf plan_statements",
            "terraform/modules/deployer/permissions.tf foundation_statements",
            "terraform/modules/deployer/permissions.tf deploy_statements",
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
        is_in(self.code, &call.file, &call.function)
    }
}

/// Operations by name, each with the services that have one of that name: of the SDKs that the workspace uses.
fn operations() -> BTreeMap<String, BTreeSet<String>> {
    let mut operations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (package, folder) in packages() {
        let Some(service) = package.strip_prefix("aws-sdk-") else { continue };
        for entry in fs::read_dir(folder.join("src/client")).expect("a file for each operation") {
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

/// Finds calls in one function.
struct Finder<'a> {
    file: &'a str,
    function: &'a str,
    operations: &'a BTreeMap<String, BTreeSet<String>>,
    /// Services whose SDK the file names; a call of an operation that several have is of one of them.
    named: &'a BTreeSet<String>,
    /// The file signs requests itself.
    signs: bool,
    calls: &'a mut Vec<Call>,
}

impl Finder<'_> {
    fn see(&mut self, operation: &str) {
        let Some(services) = self.operations.get(operation) else { return };
        let of_file: BTreeSet<_> = services.intersection(self.named).collect();
        let service = match (services.len(), of_file.len()) {
            (1, _) => services.first(),
            (_, 1) => of_file.first().copied(),
            _ => panic!("{}: {operation} is of one of {services:?}", self.file),
        };
        self.calls.push(Call {
            file: self.file.to_owned(),
            function: self.function.to_owned(),
            service: service.expect("one").clone(),
            operation: operation.to_owned(),
        });
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    // Nested functions are visited by themselves.
    fn visit_item(&mut self, _: &'ast syn::Item) {}

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.args.is_empty() {
            self.see(&call.method.to_string());
        }
        // A request that is signed without an SDK is one of IAM.
        if let Some(syn::Expr::Lit(literal)) = call.args.first()
            && let syn::Lit::Str(operation) = &literal.lit
            && call.method == "ask"
            && self.signs
        {
            self.calls.push(Call {
                file: self.file.to_owned(),
                function: self.function.to_owned(),
                service: "iam".to_owned(),
                operation: operation.value(),
            });
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, arguments: &'ast syn::Macro) {
        for (method, without_arguments) in methods_in(arguments) {
            if without_arguments {
                self.see(&method);
            }
        }
    }
}

fn calls_of(file: &str, code: &str, operations: &BTreeMap<String, BTreeSet<String>>) -> Vec<Call> {
    let services: BTreeSet<&String> = operations.values().flatten().collect();
    let named = services.into_iter().filter(|service| code.contains(&format!("aws_sdk_{service}")));
    let named = &named.cloned().collect();
    let signs = code.contains("use aws_sigv4");
    let mut calls = Vec::new();
    each_function(file, code, &mut |function, block| {
        let calls = &mut calls;
        Finder { file, function, operations, named, signs, calls }.visit_block(block);
    });
    calls
}

/// Every call of the code that is shipped.
fn calls() -> Vec<Call> {
    let operations = operations();
    assert!(operations.contains_key("get_item") && operations.contains_key("create_change_set"));
    let sources = sources(&["aws-sdk-"]);
    let mut calls: Vec<Call> = sources
        .iter()
        .flat_map(|source| calls_of(&source.file, &source.text, &operations))
        .collect();
    calls.sort();
    calls.dedup();
    calls
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
    // If several policies bound each other, as a role and its boundary, each must allow it; if one is made of
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
    let simulated = |call: &&Call| call.operation == "SimulatePrincipalPolicy";
    assert_eq!(calls.iter().filter(simulated).count(), 1, "the signed request is found");
    let orphans: Vec<_> = calls
        .iter()
        .filter(|call| !PRINCIPALS.iter().any(|principal| principal.makes(call)))
        .collect();
    assert!(orphans.is_empty(), "name the principal that makes these calls: {orphans:#?}");
    for principal in &PRINCIPALS {
        check_code(principal.name, principal.code, |file, function| {
            calls.iter().any(|call| call.file == file && call.function == function)
        });
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
    for body in ["client.purge_queue().send().await;", "join!(client.purge_queue().send(), wait())"]
    {
        let code = format!("use aws_sdk_sqs::Client; async fn clear(client: &Client) {{ {body} }}");
        let calls = calls_of("functions/producer-program/src/clear.rs", &code, &operations);
        assert_eq!(calls.len(), 1, "{calls:?}");
        let producer = PRINCIPALS.iter().find(|principal| principal.name == "a producer");
        let missing = missing(producer.expect("a producer"), &calls, &all());
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["sqs:PurgeQueue"]);
    }
}
