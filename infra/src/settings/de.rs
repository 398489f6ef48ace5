//! serde over [`Node`]: the types of [`super::Settings`] say which keys there are, and an error
//! comes back with the dotted key and the origin of the value that caused it.

use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};

use super::error::{Error, Origin, nearest};
use super::tree::{Kind, Node};

/// Keys of earlier files that are settings no longer.
const REMOVED: [&str; 3] = ["candles_collection", "ttl_attribute", "ttl_field"];

/// Reads `T` from the tree.
pub(super) fn read<T: de::DeserializeOwned>(root: &Node) -> Result<T, Error> {
    T::deserialize(root).map_err(|problem| problem.at(root, None).finish())
}

/// An error on its way up: collects the key from the inside out.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    /// The key that is at fault lies below the value that is being read.
    below: Option<String>,
    origin: Option<Origin>,
    path: Vec<String>,
}

impl Problem {
    fn new(message: String) -> Self {
        Self { message, below: None, origin: None, path: Vec::new() }
    }

    fn at(mut self, node: &Node, key: Option<&str>) -> Self {
        if let (Some(below), None) = (self.below.take(), &self.origin) {
            self.origin = node.at([below.as_str()]).map(|node| node.origin.clone());
            self.path.push(below);
        }
        self.origin.get_or_insert_with(|| node.origin.clone());
        self.path.extend(key.map(str::to_owned));
        self
    }

    fn finish(self) -> Error {
        let Some(origin) = self.origin else { unreachable!("`at` was called for the root") };
        let keys: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        Error::Key { origin, key: format!("`{}`", keys.join(".")), problem: self.message }
    }
}

impl std::error::Error for Problem {}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl de::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let problem = if REMOVED.contains(&field) {
            "this key is gone, as it had no effect that was meant: delete the line".to_owned()
        } else {
            format!("unknown key{}", nearest(field, expected.iter().copied()))
        };
        Self { below: Some(field.to_owned()), ..Self::new(problem) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected.iter().copied());
        Self::new(format!("unknown value `{variant}`{hint}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { below: Some(field.to_owned()), ..Self::new("this key is missing".to_owned()) }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", spoken(expected), described(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", spoken(expected), described(found)))
    }
}

fn spoken(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => {
            other.strip_prefix("struct ").map_or_else(|| other.to_owned(), |_| "a table".to_owned())
        }
    }
}

fn described(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Signed(number) => format!("`{number}`"),
        Unexpected::Unsigned(number) => format!("`{number}`"),
        Unexpected::Str(text) => format!("the text `{text}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl Node {
    fn whole<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Text(text) => match text.trim().parse() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(text), &visitor)),
            },
            _ => self.any(visitor),
        }
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Table(table) => {
                visitor.visit_map(Entries { rest: table.iter(), node: self, value: None })
            }
            Kind::Array(items) => visitor.visit_seq(Items { rest: items.iter() }),
            Kind::String(text) | Kind::Text(text) => visitor.visit_str(text),
            Kind::Integer(number) => visitor.visit_i64(*number),
            Kind::Boolean(value) => visitor.visit_bool(*value),
            Kind::Other(name) => Err(de::Error::invalid_type(Unexpected::Other(name), &visitor)),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.whole(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &Node {
    type Error = Problem;

    whole_numbers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Text(text) if text == "true" => visitor.visit_bool(true),
            Kind::Text(text) if text == "false" => visitor.visit_bool(false),
            _ => self.any(visitor),
        }
    }

    /// From a text: items between commas, with or without brackets and quotes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Kind::Text(text) = &self.kind else {
            return self.any(visitor);
        };
        let items: Vec<Node> = text
            .trim()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .split(',')
            .map(|item| item.trim().trim_matches(['"', '\'']))
            .filter(|item| !item.is_empty())
            .map(|item| Node { origin: self.origin.clone(), kind: Kind::Text(item.to_owned()) })
            .collect();
        visitor.visit_seq(Items { rest: items.iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::String(text) | Kind::Text(text) => {
                let variant: StrDeserializer<'_, Problem> = text.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            _ => self.any(visitor),
        }
    }

    /// From an empty text: none, so that `--set key=` takes away what the file says.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Text(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'n> {
    rest: std::collections::btree_map::Iter<'n, String, Node>,
    node: &'n Node,
    value: Option<(&'n str, &'n Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key, value));
        let name: StrDeserializer<'_, Problem> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|problem| problem.at(self.node, None))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some((key, value)) = self.value.take() else {
            unreachable!("serde asks for a value only after its key")
        };
        seed.deserialize(value).map_err(|problem| problem.at(value, Some(key)))
    }
}

struct Items<'n> {
    rest: std::slice::Iter<'n, Node>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        self.rest
            .next()
            .map(|item| seed.deserialize(item).map_err(|problem| problem.at(item, None)))
            .transpose()
    }
}
