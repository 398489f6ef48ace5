//! A template without what an emulator can't carry: made of the template itself, so that there is no second one.

use std::collections::BTreeSet;

/// Remaining parts of a template.
pub(super) struct Parts {
    pub(super) template: String,
    /// The logical names of the resources that are in it.
    pub(super) kept: BTreeSet<String>,
    /// Of those that are not.
    pub(super) left_out: BTreeSet<String>,
}

/// Leaves out the resources whose types begin so, and what names one of those: the statement of a policy, else the whole
/// resource or output. It reads the template by its indentation, which is all that is needed of YAML here.
pub(super) fn without(template: &str, types: &[&str]) -> Parts {
    let (head, rest) = template.split_once("\nResources:\n").expect("resources");
    let (resources, outputs) = rest.split_once("\nOutputs:\n").expect("outputs");
    let mut resources = entries(resources);
    let is_of = |entry: &Entry| types.iter().any(|of| entry.is_of_type(of));
    let mut left_out: BTreeSet<String> =
        resources.iter().filter(|entry| is_of(entry)).map(|entry| entry.name.clone()).collect();
    // Omitted resources may be named by others, which are then omitted as well.
    loop {
        resources.retain(|entry| !left_out.contains(&entry.name));
        for entry in &mut resources {
            entry.drop_statements(&left_out);
        }
        let found: Vec<_> = resources.iter().filter(|entry| entry.names_any(&left_out)).collect();
        if found.is_empty() {
            break;
        }
        left_out.extend(found.into_iter().map(|entry| entry.name.clone()));
    }
    let mut outputs = entries(outputs);
    outputs.retain(|entry| !entry.names_any(&left_out));
    let mut lines = vec![head.to_owned(), "Resources:".to_owned()];
    lines.extend(resources.iter().flat_map(|entry| entry.lines.clone()));
    lines.push("Outputs:".to_owned());
    lines.extend(outputs.iter().flat_map(|entry| entry.lines.clone()));
    // The last line ends, too.
    lines.push(String::new());
    let kept = resources.iter().map(|entry| entry.name.clone()).collect();
    Parts { template: lines.join("\n"), kept, left_out }
}

/// A resource or an output, with its name's line first.
struct Entry {
    name: String,
    lines: Vec<String>,
}

/// The entries of a section: a name is two deep, and everything of it deeper.
fn entries(section: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in section.lines().filter(|line| !is_comment(line)) {
        if let Some(name) = line.trim().strip_suffix(':').filter(|_| depth(line) == 2) {
            entries.push(Entry { name: name.to_owned(), lines: Vec::new() });
        }
        let entry = entries.last_mut().expect("a section begins with a name");
        entry.lines.push(line.to_owned());
    }
    entries
}

impl Entry {
    fn is_of_type(&self, beginning: &str) -> bool {
        self.lines.iter().any(|line| {
            let of = line.strip_prefix("    Type: ");
            of.is_some_and(|of| of.starts_with(beginning))
        })
    }

    fn names_any(&self, names: &BTreeSet<String>) -> bool {
        names.iter().any(|name| self.lines.iter().any(|line| is_named(name, line)))
    }

    /// Leaves out the statements of its policies that name one of these. A statement goes to the next line that is not deeper.
    fn drop_statements(&mut self, names: &BTreeSet<String>) {
        let mut rest = std::mem::take(&mut self.lines).into_iter().peekable();
        while let Some(line) = rest.next() {
            let begin = depth(&line);
            let begins_statement = line.trim_start().starts_with("- Sid: ");
            let mut unit = vec![line];
            while begins_statement && rest.peek().is_some_and(|line| depth(line) > begin) {
                unit.extend(rest.next());
            }
            let drops = begins_statement
                && names.iter().any(|name| unit.iter().any(|line| is_named(name, line)));
            if !drops {
                self.lines.extend(unit);
            }
        }
    }
}

/// True if a line refers to a resource by its logical name.
fn is_named(name: &str, line: &str) -> bool {
    ["!Ref ", "!Ref \"", "!GetAtt ", "${"].iter().any(|mark| {
        let reference = format!("{mark}{name}");
        line.match_indices(&reference).any(|(at, _)| {
            let after = line[at + reference.len()..].chars().next();
            !after.is_some_and(|c| c.is_ascii_alphanumeric())
        })
    })
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn what_names_something_that_is_left_out_goes_with_it() {
    let template = "\
Parameters: {}

Resources:
  Table:
    Type: T::Table
  TableLogs:
    Type: T::Logs

  # Kept, but for a statement.
  Role:
    Type: T::Role
    Properties:
      Statement:
        - Sid: Logs
          Resource: !GetAtt TableLogs.Arn
        - Sid: Table
          Resource:
            - !Sub \"${Table.Arn}/*\"
      Tags: []
  Function:
    Type: T::Function
    Properties:
      Table: !Ref Table
  Alarm:
    Type: T::Alarm
    Properties:
      Of: [!Ref Function]

Outputs:
  Alarm:
    Value: !Ref Alarm
  Logs:
    Value: !Ref TableLogs
";
    let parts = without(template, &["T::Table"]);
    assert_eq!(parts.left_out, BTreeSet::from(["Alarm", "Function", "Table"].map(str::to_owned)));
    assert_eq!(parts.kept, BTreeSet::from(["Role", "TableLogs"].map(str::to_owned)));
    assert_eq!(
        parts.template,
        "\
Parameters: {}

Resources:
  TableLogs:
    Type: T::Logs
  Role:
    Type: T::Role
    Properties:
      Statement:
        - Sid: Logs
          Resource: !GetAtt TableLogs.Arn
      Tags: []
Outputs:
  Logs:
    Value: !Ref TableLogs
"
    );
}
