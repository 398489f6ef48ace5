//! The Markdown files of the checkout: their headings and links, the commands that they name, and the output that they show.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

/// A Markdown file.
pub struct Document {
    /// Its path from the root of the checkout.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its first line of content.
    pub line: usize,
    /// The words after the opening fence; the first one is the language.
    pub info: String,
    /// The content.
    pub text: String,
}

/// A line of a block in the language `sh`.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of the line in the file.
    pub number: usize,
    /// The words of each command of the line, which are joined by `&&`; without comments.
    pub commands: Vec<Vec<String>>,
}

impl Document {
    /// All Markdown files that git knows or would add.
    pub fn all(root: &Path) -> Vec<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]);
        let output = git.current_dir(root).output().expect("run git");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git ls-files: {said}");
        let listed = String::from_utf8(output.stdout).expect("names are UTF-8");
        let paths = listed.split_terminator('\0').map(PathBuf::from);
        // A file that was deleted and is not committed yet is still listed.
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(root.join(&path)).ok()?;
            Some(Self { path, text })
        };
        paths.filter_map(read).collect()
    }

    /// Fenced blocks of code, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_open = false;
        for (event, range) in events(&self.text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    is_open = true;
                    let line = self.line(&range) + 1;
                    blocks.push(Block { line, info: info.into_string(), text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => is_open = false,
                Event::Text(text) if is_open => {
                    blocks.last_mut().expect("an open block").text.push_str(&text);
                }
                _ => {}
            }
        }
        blocks
    }

    /// Spans of code in the text, each with its line.
    pub fn spans(&self) -> Vec<(usize, String)> {
        let spans = events(&self.text).filter_map(|(event, range)| match event {
            Event::Code(code) => Some((self.line(&range), code.into_string())),
            _ => None,
        });
        spans.collect()
    }

    /// The targets of links.
    pub fn links(&self) -> Vec<String> {
        let targets = events(&self.text).filter_map(|(event, _)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.into_string())
            }
            _ => None,
        });
        targets.collect()
    }

    /// The headings as they are shown.
    pub fn headings(&self) -> Vec<String> {
        let mut headings: Vec<String> = Vec::new();
        let mut is_open = false;
        for (event, _) in events(&self.text) {
            match event {
                Event::Start(Tag::Heading { .. }) => {
                    is_open = true;
                    headings.push(String::new());
                }
                Event::End(TagEnd::Heading(_)) => is_open = false,
                Event::Text(text) | Event::Code(text) if is_open => {
                    headings.last_mut().expect("an open heading").push_str(&text);
                }
                _ => {}
            }
        }
        headings
    }

    fn line(&self, range: &Range<usize>) -> usize {
        1 + self.text[..range.start].matches('\n').count()
    }
}

impl Block {
    /// The language of the block; empty: none is named.
    pub fn language(&self) -> &str {
        self.info.split(' ').next().unwrap_or_default()
    }

    /// The command whose output the block shows: `output-of="…"` behind the language.
    pub fn output_of(&self) -> Option<&str> {
        self.info.split_once("output-of=\"")?.1.strip_suffix('"')
    }

    /// The lines with a command. A line that ends with `\` goes on in the next one.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut begun = String::new();
        for (index, text) in self.text.lines().enumerate() {
            if let Some(part) = text.strip_suffix('\\') {
                begun.push_str(part);
                continue;
            }
            let whole = std::mem::take(&mut begun) + text;
            let words = shlex::split(&whole).unwrap_or_else(|| panic!("quotes pair in {whole:?}"));
            if words.is_empty() {
                continue;
            }
            let commands = words.split(|word| word == "&&").map(<[String]>::to_vec).collect();
            lines.push(Line { number: self.line + index, commands });
        }
        lines
    }
}

fn events(text: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
        .into_offset_iter()
        .map(|(event, range)| (joined(event), range))
}

/// A span of code that goes over two lines, in one.
fn joined(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Code(code) if code.contains('\n') => {
            Event::Code(CowStr::from(code.replace('\n', " ")))
        }
        event => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: PathBuf::from("page.md"), text: text.to_owned() }
    }

    #[test]
    fn commands_are_read_without_comments_and_outputs_with_their_command() {
        let page = document(
            "Say `a\nb`:\n\n```sh\none --two \"3 4\"   # five\n# six\nseven \\\n  && eight\n```\n\n\
             ```text output-of=\"one --two\"\nline\n```\n",
        );
        assert_eq!(page.spans(), [(1, "a b".to_owned())]);
        let [commands, output] = &page.blocks()[..] else { panic!("two blocks") };
        assert_eq!(commands.language(), "sh");
        let line = |number, commands: &[&[&str]]| Line {
            number,
            commands: commands
                .iter()
                .map(|words| words.iter().map(ToString::to_string).collect())
                .collect(),
        };
        let lines = [line(5, &[&["one", "--two", "3 4"]]), line(8, &[&["seven"], &["eight"]])];
        assert_eq!(commands.lines(), lines);
        assert_eq!((output.output_of(), output.text.as_str()), (Some("one --two"), "line\n"));
        assert_eq!(commands.output_of(), None);
    }
}
