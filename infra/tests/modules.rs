//! The modules of both Terraform roots: a state from when a root was flat is taken over as it is, and a configuration elsewhere can
//! embed each module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hcl::Body;

const ROOTS: [&str; 2] = ["terraform", "terraform-gcp"];

/// Resources that came into a module later, as `module.NAME.TYPE.NAME`: no state has them by another address.
const LATER: [&str; 0] = [];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The modules of a root: name and folder.
fn modules(root: &str) -> Vec<(String, PathBuf)> {
    let folder = workspace().join(root).join("modules");
    let entries = fs::read_dir(folder).expect("the modules are there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut modules: Vec<_> = paths.map(|path| (name(&path), path)).collect();
    modules.sort();
    assert!(modules.len() > 2, "{root}: {modules:?}");
    modules
}

/// The blocks of a folder's `.tf` files.
fn blocks(folder: &Path) -> Vec<hcl::Block> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "tf"));
    let parse = |path: PathBuf| -> Body {
        let text = fs::read_to_string(&path).expect("readable");
        hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.flat_map(|path| parse(path).into_blocks().collect::<Vec<_>>()).collect()
}

fn attribute(block: &hcl::Block, name: &str) -> Option<String> {
    let found = block.body().attributes().find(|attribute| attribute.key() == name)?;
    Some(hcl::format::to_string(found.expr()).expect("an expression"))
}

fn labels(block: &hcl::Block) -> String {
    let labels: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
    labels.join(".")
}

#[test]
fn each_resource_of_a_module_is_moved_from_where_it_was() {
    for root in ROOTS {
        let own = blocks(&workspace().join(root));
        let resources: Vec<_> = own.iter().filter(|one| one.identifier() == "resource").collect();
        assert!(resources.is_empty(), "{root}: a resource is a module's: {resources:?}");
        let mut moved = BTreeSet::new();
        for block in own.iter().filter(|block| block.identifier() == "moved") {
            let [from, to] = ["from", "to"].map(|end| attribute(block, end).expect("both ends"));
            let inside = to.strip_prefix("module.").and_then(|rest| rest.split_once('.'));
            let (_, inside) = inside.unwrap_or_else(|| panic!("{root}: {to} is in no module"));
            assert_eq!(from, inside, "{root}: only the module is new");
            // Of instances that went to several modules, each has a block.
            moved.insert(to.split('[').next().unwrap_or_default().to_owned());
        }
        let mut made = BTreeSet::new();
        for (name, folder) in modules(root) {
            let blocks = blocks(&folder);
            let resources = blocks.iter().filter(|block| block.identifier() == "resource");
            made.extend(resources.map(|block| format!("module.{name}.{}", labels(block))));
        }
        let made: BTreeSet<String> =
            made.into_iter().filter(|address| !LATER.contains(&address.as_str())).collect();
        let lost: Vec<_> = made.symmetric_difference(&moved).collect();
        assert!(lost.is_empty(), "{root}/moved.tf and the modules differ in {lost:?}");
    }
}

#[test]
fn a_module_can_be_embedded_and_says_what_it_takes_and_gives() {
    for root in ROOTS {
        for (name, folder) in modules(root) {
            let place = format!("{root}/modules/{name}");
            let readme = fs::read_to_string(folder.join("README.md")).expect("it has a README");
            let source = format!("github.com/OWNER/NAME//{place}?ref=");
            assert!(readme.contains(&source), "{place}/README.md does not say `{source}`");
            let blocks = blocks(&folder);
            let is_there = |kind: &str| blocks.iter().any(|block| block.identifier() == kind);
            assert!(!is_there("provider"), "{place}: the provider is its caller's");
            assert!(is_there("terraform"), "{place}: it names no versions");
            for block in &blocks {
                let what = || format!("{place}: {} {}", block.identifier(), labels(block));
                let has = |name: &str| attribute(block, name).is_some_and(|text| text != "\"\"");
                match block.identifier() {
                    "variable" => assert!(has("description") && has("type"), "{}", what()),
                    "output" => assert!(has("description"), "{}", what()),
                    "terraform" => {
                        let mut inner = block.body().blocks().map(hcl::Block::identifier);
                        assert!(inner.all(|kind| kind == "required_providers"), "{}", what());
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn the_example_of_a_module_gives_all_that_it_needs_and_nothing_else() {
    for root in ROOTS {
        for (name, folder) in modules(root) {
            let readme = fs::read_to_string(folder.join("README.md")).expect("it has a README");
            let example = readme.split("```hcl\n").nth(1).and_then(|rest| rest.split("```").next());
            let example: Body = hcl::parse(example.expect("an example")).expect("it parses");
            let call = example.blocks().next().expect("a call of the module");
            assert_eq!((call.identifier(), labels(call)), ("module", name.clone()));
            let given = call.body().attributes().map(|one| one.key().to_owned());
            let given: BTreeSet<String> = given.filter(|key| key != "source").collect();
            let blocks = blocks(&folder);
            let variables: Vec<_> =
                blocks.iter().filter(|block| block.identifier() == "variable").collect();
            let all: BTreeSet<String> = variables.iter().map(|block| labels(block)).collect();
            let needed = variables.iter().filter(|block| attribute(block, "default").is_none());
            let needed: BTreeSet<String> = needed.map(|block| labels(block)).collect();
            let missing: Vec<_> = needed.difference(&given).collect();
            let unknown: Vec<_> = given.difference(&all).collect();
            assert!(
                missing.is_empty() && unknown.is_empty(),
                "{root}/modules/{name}: {missing:?}, {unknown:?}"
            );
        }
    }
}
