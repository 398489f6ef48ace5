//! Who may do what, in all that is deployed, is what `infra/policies.txt` says: a person reads that list, this test
//! derives it from the templates and the Terraform roots.

#[path = "policies/calls.rs"]
mod calls;
#[path = "policies/code.rs"]
mod code;
#[path = "policies/google_calls.rs"]
mod google_calls;
#[path = "policies/google_code.rs"]
mod google_code;
#[path = "policies/google_grants.rs"]
mod google_grants;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hcl::expr::{Expression, Object, ObjectKey};
use saphyr::{LoadableYamlNode as _, Yaml};

/// One statement, in words.
struct Statement {
    /// File, what it is of, and its name there.
    place: String,
    /// `Allow` or `Deny`; for Google `Grant`.
    effect: String,
    actions: Vec<String>,
    resources: Vec<String>,
    /// Whatever else it says: principals, conditions.
    more: Vec<String>,
}

impl Statement {
    fn line(&self) -> String {
        let mut line = format!("{}: {} {}", self.place, self.effect, self.actions.join(", "));
        if !self.resources.is_empty() {
            line.push_str(" on ");
            line.push_str(&self.resources.join(", "));
        }
        for more in &self.more {
            line.push_str("; ");
            line.push_str(more);
        }
        line
    }

    fn does_everything(&self) -> bool {
        let all = |action: &String| action == "*" || action.ends_with(":*");
        self.effect != "Deny" && (self.actions.is_empty() || self.actions.iter().any(all))
    }

    fn with_everything(&self) -> bool {
        self.effect != "Deny" && self.resources.iter().any(|resource| resource == "*")
    }

    /// From the fields of a statement as IAM writes it.
    fn of(place: &str, fields: Vec<(String, Vec<String>)>) -> Self {
        let mut sid = "-".to_owned();
        let mut statement = Self {
            place: String::new(),
            effect: String::new(),
            actions: vec![],
            resources: vec![],
            more: vec![],
        };
        for (field, mut values) in fields {
            match field.as_str() {
                "Sid" => sid = values.concat(),
                "Effect" => statement.effect = values.concat(),
                "Action" => {
                    values.sort();
                    statement.actions = values;
                }
                "Resource" => statement.resources = values,
                _ => statement.more.push(format!("{field} {}", values.join(", "))),
            }
        }
        statement.place = format!("{place} {sid}");
        statement
    }
}

fn list() -> String {
    fs::read_to_string(root().join("infra/policies.txt")).expect("the list is there")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The `.tf` files of a root and of its modules, each with its text.
fn files_of_root(folder: &str) -> Vec<(String, String)> {
    let mut all = files(folder, "tf");
    let modules = format!("{folder}/modules");
    let entries = fs::read_dir(root().join(&modules)).expect("the modules are there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    all.extend(names.iter().flat_map(|name| files(&format!("{modules}/{name}"), "tf")));
    all
}

/// The files of a folder with this ending, by name, each with its text.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(root().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (format!("{folder}/{name}"), fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no .{ending}");
    files
}

fn all() -> Vec<Statement> {
    let mut statements = Vec::new();
    for (file, text) in files("infra/aws", "yaml") {
        let begin = statements.len();
        in_template(&file, &text, &mut statements);
        found_all(&file, &text, statements.len() - begin);
    }
    for (file, text) in files_of_root("terraform") {
        let begin = statements.len();
        in_root(&file, &text, &mut statements);
        found_all(&file, &text, statements.len() - begin);
    }
    for (file, text) in files_of_root("terraform-gcp") {
        grants(&file, &text, &mut statements);
    }
    statements
}

/// No statement escapes: as many were found as there are lines that begin with an effect.
fn found_all(file: &str, text: &str, found: usize) {
    let effect = |line: &&str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.split([':', '=', ' ']).next() == Some("Effect")
    };
    assert_eq!(text.lines().filter(effect).count(), found, "{file}");
}

// CloudFormation.

fn in_template(file: &str, text: &str, statements: &mut Vec<Statement>) {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let Yaml::Mapping(top) = &documents[0] else { panic!("{file}: not a mapping") };
    let resources = top.iter().find(|(key, _)| yaml_text(key) == "Resources").expect("resources").1;
    let Yaml::Mapping(resources) = resources else { panic!("{file}: resources") };
    for (name, resource) in resources {
        in_node(&format!("{file} {}", yaml_text(name)), resource, statements);
    }
}

fn in_node(place: &str, node: &Yaml<'_>, statements: &mut Vec<Statement>) {
    match node {
        Yaml::Mapping(map) if map.iter().any(|(key, _)| yaml_text(key) == "Effect") => {
            let fields = map.iter().map(|(key, value)| (yaml_text(key), yaml_list(value)));
            statements.push(Statement::of(place, fields.collect()));
        }
        Yaml::Mapping(map) => {
            for (_, value) in map {
                in_node(place, value, statements);
            }
        }
        Yaml::Sequence(items) => {
            for item in items {
                in_node(place, item, statements);
            }
        }
        Yaml::Tagged(_, inner) => in_node(place, inner, statements),
        _ => {}
    }
}

fn yaml_list(node: &Yaml<'_>) -> Vec<String> {
    match node {
        Yaml::Sequence(items) => items.iter().map(yaml_text).collect(),
        other => vec![yaml_text(other)],
    }
}

fn yaml_text(node: &Yaml<'_>) -> String {
    match node {
        Yaml::Tagged(tag, inner) => format!("!{} {}", tag.suffix, yaml_text(inner)),
        Yaml::Sequence(items) => {
            format!("[{}]", items.iter().map(yaml_text).collect::<Vec<_>>().join(", "))
        }
        Yaml::Mapping(map) => {
            let pairs = map.iter().map(|(key, value)| (yaml_text(key), yaml_text(value)));
            let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.as_str().map_or_else(|| format!("{other:?}"), ToOwned::to_owned),
    }
}

// Terraform.

fn in_root(file: &str, text: &str, statements: &mut Vec<Statement>) {
    each_attribute(file, text, &mut |place, _, value| in_expression(place, value, statements));
}

/// Calls `see` with each attribute of a file: what it is of, its name and its value.
fn each_attribute(file: &str, text: &str, see: &mut dyn FnMut(&str, &str, &Expression)) {
    let body: hcl::Body = hcl::parse(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    for block in body.blocks() {
        let labels: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
        for attribute in block.body().attributes() {
            let name = match (labels.is_empty(), block.identifier()) {
                (true, _) => attribute.key().to_owned(),
                (false, "module") => format!("module.{}", labels.join(".")),
                (false, _) => labels.join("."),
            };
            see(&format!("{file} {name}"), attribute.key(), attribute.expr());
        }
    }
}

fn in_expression(place: &str, value: &Expression, statements: &mut Vec<Statement>) {
    match value {
        Expression::Object(object) if object.keys().any(|key| key_text(key) == "Effect") => {
            statements.push(Statement::of(place, fields(object)));
        }
        Expression::Object(object) => {
            for value in object.values() {
                in_expression(place, value, statements);
            }
        }
        Expression::Array(items) => {
            for item in items {
                in_expression(place, item, statements);
            }
        }
        // `merge` adds fields to a statement, as a condition that depends on a variable.
        Expression::FuncCall(call) if call.name.name.as_str() == "merge" => {
            let begin = statements.len();
            for arg in &call.args {
                in_expression(place, arg, statements);
            }
            if let [statement] = &mut statements[begin..] {
                let more = call.args.iter().skip(1).map(|arg| format!("with {}", hcl_text(arg)));
                statement.more.extend(more);
            }
        }
        Expression::FuncCall(call) => {
            for arg in &call.args {
                in_expression(place, arg, statements);
            }
        }
        Expression::Parenthesis(inner) => in_expression(place, inner, statements),
        Expression::Conditional(conditional) => {
            in_expression(place, &conditional.true_expr, statements);
            in_expression(place, &conditional.false_expr, statements);
        }
        Expression::ForExpr(each) => {
            in_expression(place, &each.collection_expr, statements);
            in_expression(place, &each.value_expr, statements);
        }
        _ => {}
    }
}

fn fields(object: &Object<ObjectKey, Expression>) -> Vec<(String, Vec<String>)> {
    object.iter().map(|(key, value)| (key_text(key), hcl_list(value))).collect()
}

fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Identifier(name) => name.to_string(),
        ObjectKey::Expression(value) => hcl_text(value),
        other => other.to_string(),
    }
}

fn hcl_list(value: &Expression) -> Vec<String> {
    match value {
        Expression::Array(items) => items.iter().map(hcl_text).collect(),
        other => vec![hcl_text(other)],
    }
}

/// On one line.
fn hcl_text(value: &Expression) -> String {
    if let Expression::String(text) = value {
        return text.clone();
    }
    let text = hcl::format::to_string(value).expect("an expression");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Grants of Google's root: a role to a member, permissions to a role, and the lists of roles.
fn grants(file: &str, text: &str, statements: &mut Vec<Statement>) {
    each_attribute(file, text, &mut |place, name, value| {
        // Permissions passed to a module are granted in the module.
        let grants = (name == "role" || name == "permissions" || name.ends_with("_roles"))
            && !place.contains(" module.");
        if grants && !matches!(value, Expression::Object(_)) {
            let mut actions = hcl_list(value);
            actions.sort();
            statements.push(Statement {
                place: format!("{place} {name}"),
                effect: "Grant".to_owned(),
                actions,
                resources: vec![],
                more: vec![],
            });
        }
    });
}

#[test]
fn the_list_is_what_is_deployed() {
    let derived: Vec<String> = all().iter().map(Statement::line).collect();
    let list = list();
    let listed: Vec<&str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once("  # ").map_or(line, |(line, _)| line))
        .collect();
    let wider: Vec<_> = derived.iter().filter(|line| !listed.contains(&line.as_str())).collect();
    let gone: Vec<_> =
        listed.iter().filter(|line| !derived.iter().any(|derived| derived == *line)).collect();
    let show = |lines: &[String]| lines.join("\n");
    assert!(
        wider.is_empty() && gone.is_empty(),
        "not in infra/policies.txt:\n{}\n\nin infra/policies.txt only:\n{}\n\nread each, then change the list",
        show(&wider.into_iter().cloned().collect::<Vec<_>>()),
        show(&gone.iter().map(ToString::to_string).collect::<Vec<_>>()),
    );
    assert_eq!(derived, listed, "the same lines, in the order of the files");
}

#[test]
fn nothing_may_do_everything_and_every_star_has_its_reason() {
    let list = list();
    let reasoned: BTreeSet<&str> =
        list.lines().filter_map(|line| line.split_once("  # ")).map(|(line, _)| line).collect();
    for statement in all() {
        let line = statement.line();
        assert!(!statement.does_everything(), "all actions: {line}");
        let reason = reasoned.contains(line.as_str());
        assert!(!statement.with_everything() || reason, "all resources, without a reason: {line}");
    }
}

#[test]
fn owner_and_editor_of_a_project_are_nobodys() {
    for statement in all() {
        let basic = ["roles/owner", "roles/editor", "roles/viewer"];
        let wide = statement.actions.iter().any(|action| basic.contains(&action.as_str()));
        assert!(!wide, "{}", statement.line());
    }
}

/// By these a role can let others in, for as long as it is not noticed.
const LETS_IN: [&str; 13] = [
    "dynamodb:PutResourcePolicy",
    "iam:CreateRole",
    "iam:UpdateAssumeRolePolicy",
    "kms:PutKeyPolicy",
    "lambda:AddPermission",
    "lambda:CreateFunctionUrlConfig",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "sns:SetTopicAttributes",
    "sqs:AddPermission",
    "sqs:SetQueueAttributes",
];

#[test]
fn the_readme_says_what_a_taken_over_deploy_role_can_leave_behind() {
    let readme = fs::read_to_string(root().join("terraform/README.md")).expect("it is there");
    let said: Vec<&str> =
        LETS_IN.into_iter().filter(|action| readme.contains(&format!("`{action}`"))).collect();
    let of_deploy = all().into_iter().filter(|statement| {
        // A condition on whom it lets in holds it.
        let held = statement.more.iter().any(|more| more.contains("lambda:Principal"));
        statement.place.contains("deploy_statements") && statement.effect == "Allow" && !held
    });
    let may: Vec<String> = of_deploy.flat_map(|statement| statement.actions).collect();
    let may: Vec<&str> =
        LETS_IN.into_iter().filter(|action| may.iter().any(|one| one == action)).collect();
    assert!(may.contains(&"s3:PutBucketPolicy"), "the statements are found: {may:?}");
    assert_eq!(
        said, may,
        "README's list, and what terraform/modules/deployer/permissions.tf allows"
    );
    assert!(!readme.contains("let himself in"), "it can");
}

#[test]
fn a_role_of_the_foundation_is_no_name_for_a_role_of_the_stack() {
    let mut roles = BTreeSet::new();
    for (_, text) in files_of_root("terraform") {
        for resource in text.split("resource \"aws_iam_role\" ").skip(1) {
            let name = resource.lines().find(|line| line.trim_start().starts_with("name "));
            let name = name.and_then(|line| line.split("${var.name}-").nth(1));
            roles.extend(name.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned));
        }
    }
    let known: BTreeSet<String> = infra::names::FOUNDATION_ROLES.map(str::to_owned).into();
    assert_eq!(known, roles, "infra::names::FOUNDATION_ROLES, and the roles in terraform/");

    let spared = all().into_iter().find(|statement| statement.place.ends_with("SpareFoundation"));
    let spared = spared
        .expect("terraform/modules/deployer/permissions.tf has the statement")
        .resources
        .join(" ");
    for role in known {
        assert!(spared.contains(&role), "SpareFoundation does not name {role}: {spared}");
    }
}

#[test]
fn a_wide_statement_is_found_wherever_it_stands() {
    let mut statements = Vec::new();
    let hcl = "locals {\n  a = var.x ? [{\n    Effect = \"Allow\"\n    Action = [\"s3:*\"]\n    Resource = \"*\"\n  }] : []\n}\n";
    in_root("x.tf", hcl, &mut statements);
    let yaml = "Resources:\n  R:\n    P:\n      - !If [C, {Effect: Allow, Action: '*', Resource: !Ref X}, !Ref AWS::NoValue]\n";
    in_template("x.yaml", yaml, &mut statements);
    let lines: Vec<String> = statements.iter().map(Statement::line).collect();
    assert_eq!(lines, ["x.tf a -: Allow s3:* on *", "x.yaml R -: Allow * on !Ref X"]);
    assert!(statements.iter().all(Statement::does_everything));
    assert!(statements[0].with_everything());
}
