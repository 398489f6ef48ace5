//! The shipped source code for the tests of rights: its files, its functions, and the code of each principal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::buffer::{Cursor, TokenBuffer};
use syn::visit::{self, Visit};

use super::root;

/// A file of a crate that is shipped.
pub(super) struct Source {
    /// Path relative to the root of the checkout.
    pub(super) file: String,
    pub(super) text: String,
}

/// Files of the crates whose manifest contains one of these words, without tests and stubs.
pub(super) fn sources(words: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).expect("readable");
        if !words.iter().any(|word| text.contains(word)) {
            continue;
        }
        for path in rust_files(&manifest.with_file_name("src")) {
            let file = path.strip_prefix(root()).expect("below the root");
            let file = file.to_string_lossy().into_owned();
            sources.push(Source { file, text: fs::read_to_string(&path).expect("readable") });
        }
    }
    sources
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

/// The folders of the packages that the workspace uses, by name.
pub(super) fn packages() -> BTreeMap<String, PathBuf> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--offline", "--locked"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = metadata.current_dir(root()).output().expect("run cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let name = package["name"].as_str().expect("a name").to_owned();
        (name, manifest.parent().expect("a folder").to_owned())
    });
    packages.collect()
}

/// True if `code` contains the function: entries are folders, files, or `FILE#FUNCTION,FUNCTION`.
pub(super) fn is_in(code: &[&str], file: &str, function: &str) -> bool {
    code.iter().any(|code| match code.split_once('#') {
        Some((of, functions)) => file == of && functions.split(',').any(|name| name == function),
        None => Path::new(file).starts_with(code),
    })
}

/// Fails for an unused entry of `code`: each file must exist, and each function must make a call.
pub(super) fn check_code(of: &str, code: &[&str], makes: impl Fn(&str, &str) -> bool) {
    for code in code {
        let (file, functions) = code.split_once('#').unwrap_or((code, ""));
        assert!(root().join(file).exists(), "{of}: no {file}");
        for function in functions.split(',').filter(|name| !name.is_empty()) {
            assert!(makes(file, function), "{of}: {function} of {file} makes no call");
        }
    }
}

/// Calls `see` with the name and the body of each function of a file, including nested ones and without test modules.
pub(super) fn each_function(file: &str, text: &str, see: &mut dyn FnMut(&str, &syn::Block)) {
    struct Walk<'s>(&'s mut dyn FnMut(&str, &syn::Block));
    impl<'ast> Visit<'ast> for Walk<'_> {
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
            (self.0)(&function.sig.ident.to_string(), &function.block);
            visit::visit_item_fn(self, function);
        }

        fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
            (self.0)(&function.sig.ident.to_string(), &function.block);
            visit::visit_impl_item_fn(self, function);
        }

        fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
            if let Some(block) = &function.default {
                (self.0)(&function.sig.ident.to_string(), block);
            }
            visit::visit_trait_item_fn(self, function);
        }
    }
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    Walk(see).visit_file(&parsed);
}

/// Method calls in the tokens of a macro's arguments: the name, and true without arguments.
pub(super) fn methods_in(arguments: &syn::Macro) -> Vec<(String, bool)> {
    fn scan(mut cursor: Cursor<'_>, found: &mut Vec<(String, bool)>) {
        // One dot before the name is a call, two are a range.
        let mut dots = 0;
        while !cursor.eof() {
            let before = std::mem::take(&mut dots);
            cursor = if let Some((inner, _, _, next)) = cursor.any_group() {
                scan(inner, found);
                next
            } else if let Some((punct, next)) = cursor.punct() {
                dots = if punct.as_char() == '.' { before + 1 } else { 0 };
                next
            } else if let Some((ident, next)) = cursor.ident() {
                if let Some((inner, ..)) = next.any_group().filter(|_| before == 1) {
                    found.push((ident.to_string(), inner.eof()));
                }
                next
            } else {
                cursor.token_tree().expect("there is more").1
            };
        }
    }
    let tokens = TokenBuffer::new2(arguments.tokens.clone());
    let mut found = Vec::new();
    scan(tokens.begin(), &mut found);
    found
}
