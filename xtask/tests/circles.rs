//! Files that use each other in a circle can't be understood, changed or removed one by one. This test reads the
//! `use` declarations and paths of every crate's code and names each circle of files.
//!
//! A file may use its own parts (`a.rs` uses `a/b.rs`) and they may use it; every other edge counts. A path through a
//! re-export (`pub use`) leads to the file that it comes from. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// Allowed circles, each with its reason. One that no longer exists must be removed from the list.
const ALLOWED: &[(&[&str], &str)] = &[];

/// A module by its path in the crate, such as `["commands", "deploy"]`; the root is empty.
type Module = Vec<String>;

#[derive(Default)]
struct Found {
    /// The paths that a module names, each from the crate's root.
    paths: BTreeSet<Vec<String>>,
    /// Names that a module imports, with their paths.
    names: BTreeMap<String, Vec<String>>,
}

/// Collects the paths of one file.
struct Reader<'a> {
    module: &'a Module,
    found: Found,
}

impl Reader<'_> {
    /// A path from the crate's root; none if it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().checked_sub(1)?].to_vec(),
            // A part of this module, or another crate: decided by the existence of such a module.
            _ => [&self.module[..], std::slice::from_ref(first)].concat(),
        };
        for name in rest {
            if name == "super" {
                absolute.pop();
            } else {
                absolute.push(name.clone());
            }
        }
        Some(absolute)
    }

    fn take(&mut self, path: &[String]) -> Option<Vec<String>> {
        let absolute = self.absolute(path)?;
        self.found.paths.insert(absolute.clone());
        Some(absolute)
    }

    fn take_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.take_use(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take_use(tree, before);
                }
            }
            UseTree::Glob(_) => {
                self.take(before);
            }
            UseTree::Name(name) if name.ident == "self" => {
                let absolute = self.take(before);
                self.name(before.last().cloned(), absolute);
            }
            UseTree::Name(name) => {
                let absolute = self.take(&with(&name.ident));
                self.name(Some(name.ident.to_string()), absolute);
            }
            UseTree::Rename(rename) => {
                let absolute = self.take(&with(&rename.ident));
                self.name(Some(rename.rename.to_string()), absolute);
            }
        }
    }

    fn name(&mut self, name: Option<String>, path: Option<Vec<String>>) {
        if let (Some(name), Some(path)) = (name, path) {
            self.found.names.insert(name, path);
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let of = attribute.meta.require_list().map(|list| list.tokens.to_string());
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && of.is_ok_and(|of| of.starts_with("test"))
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        // A single name is of this file, or was imported by a `use`.
        if names.len() > 1 {
            self.take(&names);
        }
        visit::visit_path(self, path);
    }
}

/// The modules of a crate that are files, below its `src`; `lib.rs` and `main.rs` are both its root.
fn modules(src: &Path, folder: &Path, into: &mut Vec<(Module, PathBuf)>) {
    for entry in fs::read_dir(folder).expect("list a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            // Programs of their own.
            if path != src.join("bin") {
                modules(src, &path, into);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && path != src.join("main.rs") {
            let relative = path.strip_prefix(src).expect("it is below").with_extension("");
            let mut module: Module =
                relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            into.push((module, path));
        }
    }
}

/// The file that a path leads to, through `use` declarations of the files on its way.
fn file_of(path: &[String], found: &BTreeMap<Module, Found>, depth: u32) -> Option<Module> {
    let mut at: Module = Vec::new();
    for (index, name) in path.iter().enumerate() {
        let next = [&at[..], std::slice::from_ref(name)].concat();
        if found.contains_key(&next) {
            at = next;
            continue;
        }
        return match found.get(&at)?.names.get(name) {
            Some(to) if depth > 0 && to[..] != path[..=index] => {
                let path = [&to[..], &path[index + 1..]].concat();
                file_of(&path, found, depth - 1)
            }
            // Another crate's path, if even the first name is unknown here.
            None if at.is_empty() && index == 0 => None,
            _ => Some(at),
        };
    }
    Some(at)
}

/// The files of each circle, and the edges between them.
fn circles(src: &Path) -> BTreeMap<BTreeSet<String>, Vec<String>> {
    let mut files = Vec::new();
    modules(src, src, &mut files);
    let found: BTreeMap<Module, Found> = files
        .into_iter()
        .map(|(module, path)| {
            let text = fs::read_to_string(&path).expect("read a file");
            let mut reader = Reader { module: &module, found: Found::default() };
            reader.visit_file(&syn::parse_file(&text).expect("the file is Rust"));
            let found = reader.found;
            (module, found)
        })
        .collect();
    let edges: BTreeMap<&Module, BTreeSet<Module>> = found
        .iter()
        .map(|(module, of_it)| {
            let to = of_it.paths.iter().filter_map(|path| file_of(path, &found, 8));
            let to = to.filter(|to| !to.starts_with(module) && !module.starts_with(to));
            (module, to.collect())
        })
        .collect();
    let reach = |from: &Module| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            for to in &edges[&module] {
                if reached.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|module| (*module, reach(module))).collect();
    let mut circles = BTreeMap::new();
    for (module, of_it) in &reached {
        if of_it.contains(*module) {
            let circle: BTreeSet<&Module> =
                of_it.iter().filter(|other| reached[other].contains(*module)).collect();
            let within = circle.iter().flat_map(|from| {
                let to = edges[from].iter().filter(|to| circle.contains(to));
                to.map(|to| format!("{} uses {}", from.join("::"), to.join("::")))
            });
            let names = circle.iter().map(|module| module.join("::")).collect();
            circles.insert(names, within.collect());
        }
    }
    circles
}

#[test]
fn no_files_of_a_crate_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("read Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members = members.expect("the members").split('"').skip(1).step_by(2);
    let mut found = BTreeMap::new();
    for member in members {
        for (circle, edges) in circles(&root.join(member).join("src")) {
            let names: Vec<String> =
                circle.iter().map(|module| format!("{member} {module}")).collect();
            found.insert(names, edges);
        }
    }
    let allowed: BTreeSet<Vec<String>> =
        ALLOWED.iter().map(|(names, _)| names.iter().map(ToString::to_string).collect()).collect();
    let new: BTreeMap<_, _> =
        found.iter().filter(|(circle, _)| !allowed.contains(*circle)).collect();
    assert!(new.is_empty(), "files that use each other in a circle: {new:#?}");
    let gone: Vec<_> = allowed.iter().filter(|circle| !found.contains_key(*circle)).collect();
    assert!(gone.is_empty(), "circles that are gone, so take them off the list: {gone:#?}");
}

#[test]
fn a_circle_is_found_through_a_re_export_and_a_part_of_a_file_is_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create");
        fs::write(path, text).expect("write");
    };
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::Thing;");
    write("a.rs", "mod part;\nuse crate::b::go;\nuse part::Part;\npub struct Thing(Part);");
    write("a/part.rs", "pub struct Part;\nfn of(thing: super::Thing) {}");
    write("b.rs", "use std::fmt;\npub fn go() { crate::c::on() }");
    write("c.rs", "pub fn on() {}\n#[cfg(test)]\nmod tests { use crate::b::go; }");
    assert!(circles(dir.path()).is_empty(), "b is used by a, c by b, and tests don't count");
    write("b.rs", "pub fn go() -> Option<crate::Thing> { None }");
    let circle = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let edges = vec!["a uses b".to_owned(), "b uses a".to_owned()];
    assert_eq!(circles(dir.path()), BTreeMap::from([(circle, edges)]));
}
