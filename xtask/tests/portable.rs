//! `xtask` and `sim` build for macOS and Windows: code for Unix or Linux only must be below a matching `#[cfg(…)]`.
//!
//! A workflow compiles both there. This test reads the code of all workspace crates that the two link, so that most
//! mistakes are found on any machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use syn::visit::{self, Visit};
use syn::{Attribute, UseTree};

/// Modules and crates that not every system has, by the names in a path to them.
const NOT_EVERYWHERE: [&[&str]; 10] = [
    &["os", "unix"],
    &["os", "linux"],
    &["os", "fd"],
    &["os", "windows"],
    &["signal", "unix"],
    &["net", "UnixStream"],
    &["net", "UnixListener"],
    &["nix"],
    &["rustix"],
    &["libc"],
];
/// Beginnings of paths in a file system that only Unix has.
const UNIX_PATHS: [&str; 5] = ["/proc/", "/dev/", "/tmp", "/bin/", "/sys/"];
/// Such paths that the code checks for and that may be absent.
const MAY_BE_ABSENT: [(&str, &str); 1] =
    [("integration-tests/sim/src/chaos/simulated/bench.rs", "/dev/shm")];

/// Finds the places in a file that not every system can compile or run.
#[derive(Default)]
struct Reader {
    /// Tests of most crates run on Linux alone.
    with_tests: bool,
    found: BTreeSet<String>,
    /// Modules in their own files that are skipped.
    left_out: BTreeSet<String>,
}

/// True for code that is compiled for some systems only, or for tests only, unless `with_tests` is set.
fn is_left_out(attributes: &[Attribute], with_tests: bool) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return !with_tests;
        }
        let of = attribute.meta.require_list().map(|list| list.tokens.clone());
        let is_cfg = attribute.path().is_ident("cfg");
        of.is_ok_and(|of| is_cfg && chooses(of, with_tests))
    })
}

/// True if a condition names a system, or tests if these are skipped.
fn chooses(condition: TokenStream, with_tests: bool) -> bool {
    condition.into_iter().any(|token| match token {
        TokenTree::Ident(name) => {
            ["unix", "windows", "target_os", "target_family"].iter().any(|system| name == system)
                || name == "test" && !with_tests
        }
        TokenTree::Group(group) => chooses(group.stream(), with_tests),
        _ => false,
    })
}

/// The file that `#[path = "…"]` names, without its extension.
fn named(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Expr::Lit(literal) = &attribute.meta.require_name_value().ok()?.value else {
        return None;
    };
    let syn::Lit::Str(name) = &literal.lit else { return None };
    name.value().strip_suffix(".rs").map(str::to_owned)
}

impl Reader {
    fn path(&mut self, names: &[String]) {
        for wanted in NOT_EVERYWHERE {
            // A crate is the beginning of a path, a module can be anywhere in it.
            let is_there = if wanted.len() == 1 {
                names.len() > 1 && names[0] == wanted[0]
            } else {
                names.windows(wanted.len()).any(|window| window == wanted)
            };
            if is_there {
                self.found.insert(names.join("::"));
            }
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.path(&with(&name.ident)),
            UseTree::Rename(rename) => self.path(&with(&rename.ident)),
            UseTree::Glob(_) => self.path(&[before, &["*".to_owned()]].concat()),
        }
    }
}

/// Skips the items that an attribute excludes.
macro_rules! unless_left_out {
    ($($name:ident($type:ident).$attributes:ident;)*) => { $(
        fn $name(&mut self, node: &'ast syn::$type) {
            if !is_left_out(&node.$attributes, self.with_tests) {
                visit::$name(self, node);
            }
        }
    )* };
}

impl<'ast> Visit<'ast> for Reader {
    unless_left_out! {
        visit_item_fn(ItemFn).attrs;
        visit_item_impl(ItemImpl).attrs;
        visit_item_struct(ItemStruct).attrs;
        visit_item_enum(ItemEnum).attrs;
        visit_item_const(ItemConst).attrs;
        visit_item_static(ItemStatic).attrs;
        visit_item_trait(ItemTrait).attrs;
        visit_item_type(ItemType).attrs;
        visit_impl_item_fn(ImplItemFn).attrs;
        visit_field(Field).attrs;
        visit_variant(Variant).attrs;
        visit_arm(Arm).attrs;
        visit_local(Local).attrs;
        visit_expr_block(ExprBlock).attrs;
        visit_expr_return(ExprReturn).attrs;
        visit_expr_match(ExprMatch).attrs;
        visit_expr_call(ExprCall).attrs;
        visit_expr_method_call(ExprMethodCall).attrs;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_left_out(&item.attrs, self.with_tests) {
            visit::visit_item_mod(self, item);
        } else if item.content.is_none() {
            self.left_out.insert(named(&item.attrs).unwrap_or_else(|| item.ident.to_string()));
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_left_out(&item.attrs, self.with_tests) {
            self.tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.path(&names);
        visit::visit_path(self, path);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        let value = text.value();
        if UNIX_PATHS.iter().any(|begin| value.starts_with(begin)) {
            self.found.insert(value);
        }
    }

    /// Macros such as `vec!` and `format!`: their tokens are read as far as they are expressions.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = call.parse_body_with(parser) {
            // The expressions live only during this call, so they get a reader of their own.
            let mut reader = Reader { with_tests: self.with_tests, ..Reader::default() };
            arguments.iter().for_each(|argument| read(&mut reader, argument));
            self.found.append(&mut reader.found);
        }
        visit::visit_path(self, &call.path);
    }
}

fn read(reader: &mut Reader, argument: &syn::Expr) {
    Visit::visit_expr(reader, argument);
}

fn read_text(text: &str, with_tests: bool) -> Reader {
    let mut reader = Reader { with_tests, ..Reader::default() };
    reader.visit_file(&syn::parse_file(text).expect("the file is Rust"));
    reader
}

/// The Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut open, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The places of a folder of sources, each with its file.
fn in_folder(folder: &Path, with_tests: bool) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut left_out = Vec::new();
    for file in files(folder) {
        let text = fs::read_to_string(&file).expect("read a source");
        let reader = read_text(&text, with_tests);
        let is_root = ["lib.rs", "main.rs"].iter().any(|name| file.ends_with(name));
        let below = if is_root { file.with_file_name("") } else { file.with_extension("") };
        left_out.extend(reader.left_out.iter().map(|module| below.join(module)));
        // `#[path]` is from the folder of the file.
        left_out.extend(reader.left_out.iter().map(|module| file.with_file_name(module)));
        found.insert(file, reader.found);
    }
    let is_out = |file: &Path| {
        left_out
            .iter()
            .any(|module| file.starts_with(module) || file == module.with_extension("rs"))
    };
    found.retain(|file, found| !found.is_empty() && !is_out(file));
    found
}

/// The folders of the crates of the workspace that `xtask` and `sim` link, by their names.
fn linked() -> BTreeMap<String, PathBuf> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let output = metadata.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("run cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let named = |name: &str| packages.iter().find(|package| package["name"] == name);
    let (mut linked, mut open) = (BTreeMap::new(), vec!["xtask".to_owned(), "sim".to_owned()]);
    while let Some(name) = open.pop() {
        let Some(package) = named(&name) else { continue };
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest.parent().expect("a folder").to_owned();
        if linked.insert(name, folder).is_none() {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            open.extend(normal.filter_map(|of| of["name"].as_str().map(str::to_owned)));
        }
    }
    linked
}

#[test]
fn what_not_every_system_has_stands_below_a_condition() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the root");
    let linked = linked();
    assert!(linked.len() > 8 && linked.contains_key("cloud-memory"), "{linked:?}");
    let mut wrong = Vec::new();
    let mut absent = BTreeSet::new();
    for (name, folder) in &linked {
        // The tests of `sim` run on the other systems too.
        let with_tests = name == "sim";
        let mut found = in_folder(&folder.join("src"), with_tests);
        if with_tests {
            found.extend(in_folder(&folder.join("tests"), with_tests));
        }
        for (file, places) in found {
            let file = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            for place in places {
                if MAY_BE_ABSENT.contains(&(&*file, &*place)) {
                    absent.insert((file.clone(), place));
                } else {
                    wrong.push(format!("{file}: {place}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not every system has these; put them below `#[cfg(unix)]` or another condition, with a way for the other systems: \
         {wrong:#?}"
    );
    assert_eq!(absent.len(), MAY_BE_ABSENT.len(), "take what is gone off the list: {absent:?}");
}

#[test]
fn each_form_is_found_and_a_condition_takes_it_away() {
    for (text, found) in [
        ("use std::os::unix::fs::symlink;", vec!["std::os::unix::fs::symlink"]),
        ("use std::{fs, os::{unix::fs::FileExt as _}};", vec!["std::os::unix::fs::FileExt"]),
        ("fn f() { std::os::unix::fs::symlink(a, b) }", vec!["std::os::unix::fs::symlink"]),
        ("fn f() { vec![tokio::signal::unix::signal(x)] }", vec!["tokio::signal::unix::signal"]),
        (
            "use nix::unistd::pipe; use tokio::net::{TcpStream, UnixStream};",
            vec!["nix::unistd::pipe", "tokio::net::UnixStream"],
        ),
        ("fn f() { open(\"/dev/null\") }", vec!["/dev/null"]),
        ("fn f(libc: u8) -> u8 { libc }", vec![]),
        ("#[cfg(unix)] use std::os::unix::fs::symlink;", vec![]),
        ("fn f() { #[cfg(target_os = \"linux\")] { std::os::unix::fs::symlink(a, b) } }", vec![]),
        ("#[cfg(unix)] fn f() { open(\"/dev/null\") }", vec![]),
        ("#[cfg(feature = \"x\")] fn f() { open(\"/dev/null\") }", vec!["/dev/null"]),
        ("#[cfg(test)] mod tests { use std::os::unix::fs::symlink; }", vec![]),
        ("/// See /proc/self.\nfn f() { print(\"a /dev/null\") }", vec![]),
    ] {
        let read: Vec<_> = read_text(text, false).found.into_iter().collect();
        assert_eq!(read, found, "{text}");
    }
    let tests = "#[cfg(test)] mod tests { use std::os::unix::fs::symlink; }";
    assert_eq!(read_text(tests, true).found.len(), 1, "where tests are read too");
}

#[test]
fn a_file_whose_module_has_a_condition_is_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create");
        fs::write(path, text).expect("write");
    };
    write("lib.rs", "#[cfg(unix)] mod a; mod b;");
    write("a.rs", "mod part; use nix::unistd::pipe;");
    write("a/part.rs", "use nix::unistd::pipe;");
    write("b.rs", "#[cfg(target_os = \"linux\")] mod linux;");
    write("b/linux.rs", "use nix::unistd::pipe;");
    assert!(in_folder(dir.path(), false).is_empty(), "{:?}", in_folder(dir.path(), false));
    write("lib.rs", "mod a; mod b;");
    assert_eq!(in_folder(dir.path(), false).len(), 2, "a and its part");
}
