//! The rule of CONTRIBUTING on the text of errors: a cause is in the text or is the `source`, never both.
//!
//! The commands print an error with its chain of sources; a cause that is in both would be printed twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::visit::{self, Visit};

/// Finds error types whose text of `#[error(…)]` contains a field that is also their source.
#[derive(Default)]
struct Twice {
    /// Names of the types and variants whose cause is printed twice.
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Twice {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        for variant in &item.variants {
            let name = format!("{}::{}", item.ident, variant.ident);
            self.look(name, &variant.attrs, &variant.fields);
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look(item.ident.to_string(), &item.attrs, &item.fields);
        visit::visit_item_struct(self, item);
    }
}

impl Twice {
    fn look(&mut self, name: String, attributes: &[syn::Attribute], fields: &syn::Fields) {
        let Some(text) = error_text(attributes) else { return };
        let shown = fields.iter().enumerate().any(|(index, field)| {
            let ident = field.ident.as_ref().map(ToString::to_string);
            let has = |wanted: &str| field.attrs.iter().any(|a| a.path().is_ident(wanted));
            let is_source = has("source") || has("from") || ident.as_deref() == Some("source");
            let place = ident.unwrap_or_else(|| index.to_string());
            is_source && ["}", ":"].iter().any(|end| text.contains(&format!("{{{place}{end}")))
        });
        if shown {
            self.found.push(name);
        }
    }
}

/// The format string of `#[error("…", …)]`; `None` for a type that is no error, or a transparent one.
fn error_text(attributes: &[syn::Attribute]) -> Option<String> {
    let error = attributes.iter().find(|attribute| attribute.path().is_ident("error"))?;
    let tokens = error.meta.require_list().ok()?.tokens.clone();
    tokens.into_iter().find_map(|token| match token {
        proc_macro2::TokenTree::Literal(literal) => {
            let literal: syn::LitStr =
                syn::parse2(proc_macro2::TokenTree::from(literal).into()).ok()?;
            Some(literal.value())
        }
        _ => None,
    })
}

fn printed_twice(code: &str) -> Vec<String> {
    let mut twice = Twice::default();
    twice.visit_file(&syn::parse_file(code).expect("the file is Rust"));
    twice.found
}

/// The Rust files of the workspace that git tracks; all below its folders outside a checkout.
fn rust_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(&root).output();
    let listed = listed.expect("run git");
    assert!(listed.status.success(), "git lists the files: {listed:?}");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    names.lines().map(|name| root.join(name)).filter(|file| file.exists()).collect()
}

#[test]
fn no_error_has_its_cause_in_its_text_and_in_its_chain() {
    let files = rust_files();
    assert!(files.len() > 300, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let code = fs::read_to_string(&file).expect("read a file of the workspace");
        let here = printed_twice(&code);
        found.extend(here.into_iter().map(|name| format!("{}: {name}", file.display())));
    }
    assert!(
        found.is_empty(),
        "leave {{source}} out of the text, or rename the field to `cause`: {found:#?}"
    );
}

#[test]
fn each_form_of_a_cause_that_is_printed_twice_is_found() {
    let code = r#"
        enum E {
            #[error("read {path}: {source}")] Named { path: String, source: std::io::Error },
            #[error("read: {why:#}")] Marked { #[source] why: std::io::Error },
            #[error("read: {0}")] Place(#[from] std::io::Error),
            #[error("read {path}: {cause}")] InTextAlone { path: String, cause: std::io::Error },
            #[error("read {path}")] InChainAlone { path: String, source: std::io::Error },
            #[error(transparent)] Passed(#[from] std::io::Error),
        }
        #[error("render: {source}")]
        struct S { source: std::io::Error }
    "#;
    assert_eq!(printed_twice(code), ["E::Named", "E::Marked", "E::Place", "S"]);
}
