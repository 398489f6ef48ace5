//! A TOML document as a tree in which every value remembers where it comes from, so that overlays
//! can be merged and an error can still name the line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Origin};

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Boolean(bool),
    /// From `--set` or a variable: the key that it lands on decides its type.
    Text(String),
    /// A kind that no setting has; carries its name for the error.
    Other(&'static str),
}

impl Node {
    /// Reads the document in `text`, which is the content of `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let file = File { path: path.display().to_string().into(), text };
        let document = DeTable::parse(text).map_err(|error| Error::Syntax {
            origin: file.origin(&error.span().unwrap_or(0..0)),
            problem: error.message().to_owned(),
        })?;
        Ok(Self { origin: file.origin(&(0..0)), kind: file.table(document.get_ref())? })
    }

    /// Lays `over` on top: tables are merged, anything else is replaced.
    pub(super) fn merge(&mut self, over: Self) {
        match (&mut self.kind, over.kind) {
            (Kind::Table(mine), Kind::Table(theirs)) => {
                for (key, node) in theirs {
                    match mine.get_mut(&key) {
                        Some(old) => old.merge(node),
                        None => {
                            mine.insert(key, node);
                        }
                    }
                }
            }
            (mine, theirs) => {
                *mine = theirs;
                self.origin = over.origin;
            }
        }
    }

    /// The value at a dotted key.
    pub(super) fn at<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Option<&Self> {
        keys.into_iter().try_fold(self, |node, key| match &node.kind {
            Kind::Table(table) => table.get(key),
            _ => None,
        })
    }

    /// Takes a key out of a table.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        match &mut self.kind {
            Kind::Table(table) => table.remove(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) | Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Runs `change` over every string below.
    pub(super) fn each_string<E>(
        &mut self,
        change: &mut impl FnMut(&mut String, &Origin) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.kind {
            Kind::Table(table) => table.values_mut().try_for_each(|node| node.each_string(change)),
            Kind::Array(items) => items.iter_mut().try_for_each(|node| node.each_string(change)),
            Kind::String(text) | Kind::Text(text) => change(text, &self.origin),
            Kind::Integer(_) | Kind::Boolean(_) | Kind::Other(_) => Ok(()),
        }
    }
}

struct File<'t> {
    path: Arc<str>,
    text: &'t str,
}

impl File<'_> {
    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        Origin::File { path: self.path.clone(), line: before.split(|&byte| byte == b'\n').count() }
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Kind, Error> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            entries.insert(key.get_ref().to_string(), self.node(&key.span(), value)?);
        }
        Ok(Kind::Table(entries))
    }

    fn node(&self, span: &Range<usize>, value: &Spanned<DeValue<'_>>) -> Result<Node, Error> {
        let origin = self.origin(span);
        let kind = match value.get_ref() {
            DeValue::Table(table) => self.table(table)?,
            DeValue::Array(items) => Kind::Array(
                items.iter().map(|item| self.node(&item.span(), item)).collect::<Result<_, _>>()?,
            ),
            DeValue::String(text) => Kind::String(text.to_string()),
            DeValue::Boolean(value) => Kind::Boolean(*value),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Kind::Integer(number),
                    Err(error) => {
                        return Err(Error::Syntax {
                            origin,
                            problem: format!("`{}`: {error}", number.as_str()),
                        });
                    }
                }
            }
            DeValue::Float(_) => Kind::Other("a number with a fraction"),
            DeValue::Datetime(_) => Kind::Other("a date"),
        };
        Ok(Node { origin, kind })
    }
}
