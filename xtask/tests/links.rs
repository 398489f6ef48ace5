//! Every relative link of every Markdown file leads to a file that exists and, with an anchor, to a heading in it; and
//! README stays a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const README_MAX_LINES: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files of the checkout by their paths from its root, those too that are not committed yet.
fn documents(root: &Path) -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]);
    let output = git.current_dir(root).output().expect("run git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("names are UTF-8");
    let paths = listed.split_terminator('\0').map(PathBuf::from);
    // One that was deleted and is not committed yet is still listed.
    paths.filter(|path| root.join(path).is_file()).collect()
}

/// The lines outside of fenced code blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let opens = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, opens) {
            (None, None) => lines.push(line),
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
        }
    }
    lines
}

/// The targets of links, `](…)`, each without its title. What stands in backquotes is no link.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    // Backquotes that pair are in one paragraph.
    for paragraph in prose(text).split(|line| line.trim().is_empty()) {
        let paragraph = paragraph.join("\n");
        let plain: String = paragraph.split('`').step_by(2).collect();
        for after in plain.split("](").skip(1) {
            let target = after.split([')', ' ', '\n']).next().unwrap_or_default();
            links.push(target.to_owned());
        }
    }
    links
}

/// GitHub's anchors of the headings: small letters, digits, `-` and `_`, a hyphen for each space; a second heading of the
/// same name ends with `-1`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        let name = line.trim_start_matches('#');
        let level = line.len() - name.len();
        let Some(name) = name.strip_prefix(' ').filter(|_| (1..=6).contains(&level)) else {
            continue;
        };
        let kept = |c: char| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        };
        let slug: String = shown(name.trim()).to_lowercase().chars().filter_map(kept).collect();
        let count = counts.entry(slug.clone()).or_default();
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

/// A heading as it is shown: of a link, its text alone.
fn shown(heading: &str) -> String {
    let mut parts = heading.split("](");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(part.split_once(')').map_or(part, |(_, after)| after));
    }
    shown
}

/// The fault of a link of a file; none if it leads somewhere, or out of the checkout.
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
    (!anchors(&text).contains(anchor)).then(|| format!("{}: no heading {link}", file.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let root = root();
    let documents = documents(&root);
    assert!(documents.contains(&PathBuf::from("README.md")), "{documents:?}");
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for file in &documents {
        let text = fs::read_to_string(root.join(file)).expect("read the document");
        for link in links(&text) {
            looked_at += 1;
            wrong.extend(broken(&root, file, &link));
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
    assert_eq!(anchors(text).iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(links(text), ["x.md", "b.md#c", "d.md"]);
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
