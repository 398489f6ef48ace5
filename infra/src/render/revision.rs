//! The revision of a function: a short hash of everything that a published version contains.
//!
//! An alias points to a version, and a version keeps the function as it was when published. `CloudFormation`
//! publishes a version only if one of the version's own properties changes, so the revision is one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The length of the hash in bytes; enough to distinguish the versions of a function.
const BYTES: usize = 8;

/// The revision of `resource` in `template`: a hash of its lines, and of the values of all `parameters` in them
/// except `own`, which gets the revision itself.
pub(super) fn of(
    template: &str,
    resource: &str,
    own: &str,
    parameters: &BTreeMap<String, String>,
) -> String {
    let lines = lines_of(template, resource);
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    add(&lines);
    // The key and bucket of the zip may change with the same content; the hash covers the content.
    let code = ["ArtifactBucket", "ArtifactKey", own];
    let used = references(&lines);
    let values = parameters
        .iter()
        .filter(|(name, _)| used.contains(name.as_str()) && !code.contains(&name.as_str()));
    for (name, value) in values {
        add(name);
        add(value);
    }
    add(parameters.get("CodeSha256").map_or("", String::as_str));
    let mut revision = String::with_capacity(2 * BYTES);
    for byte in hash.finalize().into_iter().take(BYTES) {
        // Writing to a String can't fail.
        let _ = write!(revision, "{byte:02x}");
    }
    revision
}

/// The names after `!Ref` and `${` in these lines.
fn references(lines: &str) -> BTreeSet<&str> {
    let behind = |mark| lines.split(mark).skip(1);
    behind("!Ref ")
        .chain(behind("${"))
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .collect()
}

/// A resource's lines, without comments, from its name to the next resource's.
fn lines_of(template: &str, resource: &str) -> String {
    let heading = format!("  {resource}:");
    let mut lines = String::new();
    let inside = template.lines().skip_while(|line| line.trim_end() != heading).skip(1);
    for line in inside.take_while(|line| line.is_empty() || line.starts_with("    ")) {
        if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "Resources:\n  Other:\n    A: !Ref Unused\n\n  It:\n    A: [!Ref Size]\n    # !Ref Unused\n    B: !Sub \"${Name} ${Revision}\"\n    C: !If [X, !Ref Url, 1]\n\n  Last:\n    A: !Ref Unused\n";

    fn revision(template: &str, changes: &[(&str, &str)]) -> String {
        let mut parameters = BTreeMap::new();
        for name in ["Unused", "Size", "Name", "Url", "Revision", "CodeSha256"] {
            parameters.insert(name.to_owned(), "1".to_owned());
        }
        for (name, value) in changes {
            parameters.insert((*name).to_owned(), (*value).to_owned());
        }
        of(template, "It", "Revision", &parameters)
    }

    #[test]
    fn what_is_used_changes_it_and_nothing_else() {
        let base = revision(TEMPLATE, &[]);
        assert_eq!(base.len(), 2 * BYTES);
        for name in ["Size", "Name", "Url", "CodeSha256"] {
            assert_ne!(revision(TEMPLATE, &[(name, "2")]), base, "{name}");
        }
        for name in ["Unused", "Revision"] {
            assert_eq!(revision(TEMPLATE, &[(name, "2")]), base, "{name}");
        }
        assert_ne!(revision(&TEMPLATE.replace("B: ", "D: "), &[]), base);
        assert_eq!(revision(&TEMPLATE.replace("# !Ref", "# other !Ref"), &[]), base);
        assert_eq!(revision(&TEMPLATE.replace("Last", "Else"), &[]), base);
    }
}
