//! Every relative link in Markdown leads to an existing file and, with an anchor, to a heading in it; and README is
//! limited to a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use test_checkout::documents::Document;

const README_MAX_LINES: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// GitHub's anchors of the headings: small letters, digits, `-` and `_`, a hyphen for each space; a second heading of the
/// same name ends with `-1`.
fn anchors(document: &Document) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for heading in document.headings() {
        let kept = |c: char| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        };
        let slug: String = heading.trim().to_lowercase().chars().filter_map(kept).collect();
        let count = counts.entry(slug.clone()).or_default();
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

/// The error of a link in a file; `None` if its target exists, or is outside of the checkout.
fn broken(root: &Path, file: &Path, link: &str) -> Option<String> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) =
        link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = root.join(file.parent().unwrap_or(Path::new("")));
    let target = if path.is_empty() { root.join(file) } else { folder.join(path) };
    if !target.exists() {
        return Some(format!("{}: no file {path}", file.display()));
    }
    let anchor = anchor?;
    // Other files have no headings: `#L10` is a line.
    if target.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let text = fs::read_to_string(&target).expect("read the target");
    (!anchors(&Document { path: target, text }).contains(anchor))
        .then(|| format!("{}: no heading {link}", file.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let root = root();
    let documents = Document::all(&root);
    assert!(documents.iter().any(|document| document.path == Path::new("README.md")));
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for document in &documents {
        for link in document.links() {
            looked_at += 1;
            wrong.extend(broken(&root, &document.path, &link));
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
    assert!(looked_at > 50, "only {looked_at} links were found");
}

#[test]
fn links_and_headings_are_read_as_github_reads_them() {
    let text = "# A `b` & c_d\n## A b\n## A b\n```\n# none\n[x](none)\n```\n### [Two](x.md) words: 3\n#none\n\
                [a](b.md#c), `[no](link)`, [`code`\nover](d.md \"title\")\n";
    let expected = ["a-b", "a-b--c_d", "a-b-1", "two-words-3"];
    let page = Document { path: PathBuf::from("page.md"), text: text.to_owned() };
    assert_eq!(anchors(&page).iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(page.links(), ["x.md", "b.md#c", "d.md"]);
    let root = root();
    let broken = |link| broken(&root, Path::new("docs/chaos.md"), link);
    assert_eq!(broken("../README.md#quick-start"), None);
    assert_eq!(broken("#chaos"), None);
    assert_eq!(broken("https://example.com/none#none"), None);
    assert!(broken("none.md").is_some());
    assert!(broken("../README.md#none").is_some());
    assert!(broken("#none").is_some());
}

#[test]
fn readme_is_a_page() {
    let readme = fs::read_to_string(root().join("README.md")).expect("read README.md");
    let lines = readme.lines().count();
    assert!(
        lines <= README_MAX_LINES,
        "README.md has {lines} lines; what is more belongs into docs/"
    );
}
