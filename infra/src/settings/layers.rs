//! Layers of settings, each laid over the one before by figment, which remembers the layer of each value; a layer knows
//! where its keys are written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use producer_config::{Binance, HealthConfig, Publish, Route, Spool};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, nearest};
use super::model::Settings;
use super::{key_error, schema, validate};

/// Some of the settings, from one place.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    values: Value,
    place: Place,
}

/// The place that a layer comes from.
#[derive(Clone, Debug)]
enum Place {
    File {
        path: Arc<str>,
        /// The line of each dotted key of the whole file.
        lines: Arc<BTreeMap<String, usize>>,
        /// The table that the layer is, with a dot behind it; empty for the whole file.
        table: String,
    },
    /// An argument or a variable, as errors show it.
    Given(String),
}

impl Place {
    /// Location of a key: its line, or that of the table around it.
    fn of(&self, keys: &[&str]) -> String {
        match self {
            Self::Given(shown) => shown.clone(),
            Self::File { path, lines, table } => {
                let key = format!("{table}{}", keys.join("."));
                let ends = key.rmatch_indices('.').map(|(end, _)| end);
                let mut around = std::iter::once(key.len()).chain(ends).map(|end| &key[..end]);
                format!("{path}:{}", around.find_map(|key| lines.get(key)).unwrap_or(&1))
            }
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let place = self.place.clone();
        Metadata::named("settings").interpolater(move |_, keys| place.of(keys))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone().into_dict().unwrap_or_default()))
    }
}

impl Layer {
    /// Reads the document in `text`, which is the content of `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        let mut file = File { path: path.display().to_string(), ends, lines: BTreeMap::new() };
        let document = DeTable::parse(text).map_err(|error| Error::Syntax {
            origin: file.origin(error.span().unwrap_or_default().start),
            problem: error.message().to_owned(),
        })?;
        let values = file.table("", document.get_ref())?;
        let (path, lines) = (file.path.into(), file.lines.into());
        Ok(Self { values, place: Place::File { path, lines, table: String::new() } })
    }

    /// The value of one key, from an argument or a variable that errors show as `shown`.
    pub(super) fn given(key: &str, value: Value, shown: String) -> Self {
        Self { values: figment::util::nest(key, value), place: Place::Given(shown) }
    }

    /// Takes the layers out of a table of layers.
    pub(super) fn take(&mut self, table: &str) -> Result<BTreeMap<String, Self>, Error> {
        let Value::Dict(_, values) = &mut self.values else { return Ok(BTreeMap::new()) };
        let taken = values.remove(table).unwrap_or_else(|| Dict::new().into());
        let is_table = |value: &Value| value.as_dict().is_some();
        let layers = taken.into_dict().filter(|layers| layers.values().all(is_table));
        let problem = format!("expected tables in it, such as [{table}.prod]");
        let layers = layers.ok_or_else(|| self.error(table, &problem))?;
        let layer = |(name, values): (String, Value)| {
            let place = match &self.place {
                Place::File { path, lines, .. } => Place::File {
                    path: path.clone(),
                    lines: lines.clone(),
                    table: format!("{table}.{name}."),
                },
                given @ Place::Given(_) => given.clone(),
            };
            (name, Self { values, place })
        };
        Ok(layers.into_iter().map(layer).collect())
    }

    /// The value at a dotted key.
    pub(super) fn at(&self, key: &str) -> Option<&Value> {
        self.values.find_ref(key)
    }

    /// The text at a dotted key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.at(key).and_then(Value::as_str)
    }

    /// Puts a text at a key of `[project]`.
    pub(super) fn set_project(&mut self, key: &str, text: &str) {
        if let Value::Dict(_, values) = &mut self.values
            && let Value::Dict(_, project) =
                values.entry("project".to_owned()).or_insert_with(|| Dict::new().into())
        {
            project.insert(key.to_owned(), text.into());
        }
    }

    /// Location of a key.
    pub(super) fn origin(&self, key: &str) -> String {
        self.place.of(&key.split('.').collect::<Vec<_>>())
    }

    /// An error at a key.
    pub(super) fn error(&self, key: &str, problem: &str) -> Error {
        key_error(self.origin(key), key, problem)
    }

    /// Puts values in the place of placeholders, in all texts of a section.
    fn expand(&mut self, section: &str, known: &[(&str, &str)]) -> Result<(), Error> {
        let Value::Dict(_, values) = &mut self.values else { return Ok(()) };
        let Some(value) = values.get_mut(section) else { return Ok(()) };
        expand(value, section, known).map_err(|(key, problem)| self.error(&key, &problem))
    }
}

/// Puts values in the place of placeholders; of one that there is not, the key and what is wrong.
fn expand(value: &mut Value, key: &str, known: &[(&str, &str)]) -> Result<(), (String, String)> {
    match value {
        Value::Dict(_, values) => values
            .iter_mut()
            .try_for_each(|(name, value)| expand(value, &format!("{key}.{name}"), known)),
        Value::Array(_, items) => items.iter_mut().try_for_each(|item| expand(item, key, known)),
        Value::String(_, text) => {
            for (name, value) in known {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
            let Some((_, rest)) = text.split_once('{') else { return Ok(()) };
            let name = rest.split('}').next().unwrap_or(rest);
            let hint = nearest(name, known.iter().map(|(name, _)| *name));
            Err((key.to_owned(), format!("no placeholder `{{{name}}}`, as in `{text}`{hint}")))
        }
        Value::Char(..) | Value::Bool(..) | Value::Num(..) | Value::Empty(..) => Ok(()),
    }
}

/// The tables whose types have no defaults of their own when they are read, since a program reads the same types and must not
/// make a missing value up.
fn defaults() -> Figment {
    Figment::new()
        .merge(Serialized::default("health", HealthConfig::default()))
        .merge(Serialized::default("route", Route::default()))
        .merge(Serialized::default("producer.publish", Publish::default()))
        .merge(Serialized::default("producer.spool", Spool::default()))
        .merge(Serialized::default("producer.binance", Binance::default()))
}

/// Layers in their order, the one that is laid over all others last.
#[derive(Clone, Debug)]
pub(super) struct Layers(pub(super) Vec<Layer>);

impl Layers {
    /// Fills the placeholders in, types the values, and checks them.
    pub(super) fn read(&self) -> Result<Settings, Error> {
        let expanded = self.expanded()?;
        let whole = defaults().merge(expanded.merged());
        let settings: Settings = whole.extract().map_err(|error| {
            Error::of(&error, |table| {
                // The first layer that has the table, as the others say only what differs.
                let mut layers = expanded.0.iter();
                let first = layers.find(|layer| layer.at(table).is_some());
                first.map(|layer| layer.origin(table)).unwrap_or_default()
            })
        })?;
        let given = whole.extract::<serde_json::Value>().unwrap_or_default();
        if let Some((key, known)) = schema::unknown(&given) {
            let name = key.rsplit('.').next().unwrap_or_default();
            return Err(self.error(&key, &format!("unknown key{}", nearest(name, known))));
        }
        validate::check(&settings).map_err(|invalid| self.error(&invalid.key, &invalid.problem))?;
        Ok(settings)
    }

    /// An error at a key, in the layer that its value comes from.
    pub(super) fn error(&self, key: &str, problem: &str) -> Error {
        let keys: Vec<&str> = key.split('.').collect();
        let merged = self.merged();
        let place = match (merged.find_metadata(key), self.0.first()) {
            (Some(layer), _) => layer.interpolate(&Profile::Default, &keys),
            (None, Some(base)) => base.origin(key),
            (None, None) => String::new(),
        };
        key_error(place, key, problem)
    }

    fn merged(&self) -> Figment {
        self.0.iter().fold(Figment::new(), Figment::merge)
    }

    /// The same layers with `[project]`'s values in the place of `{prefix}` and `{environment}`.
    fn expanded(&self) -> Result<Self, Error> {
        let merged = self.merged();
        let given = |key| merged.extract_inner::<String>(key).ok();
        let value = |key| given(key).unwrap_or_default();
        let (prefix, environment) = (value("project.prefix"), value("project.environment"));
        // The Google side is that of the environment that this one is in another region.
        let home = given("project.region_of").unwrap_or_else(|| environment.clone());
        let mut layers = self.clone();
        for layer in &mut layers.0 {
            for (section, environment) in [("aws", &environment), ("gcp", &home)] {
                layer.expand(section, &[("prefix", &prefix), ("environment", environment)])?;
            }
        }
        Ok(layers)
    }
}

/// A document that is being read.
struct File {
    path: String,
    /// The ends of its lines.
    ends: Vec<usize>,
    lines: BTreeMap<String, usize>,
}

impl File {
    fn line(&self, start: usize) -> usize {
        1 + self.ends.partition_point(|&end| end < start)
    }

    fn origin(&self, start: usize) -> String {
        format!("{}:{}", self.path, self.line(start))
    }

    fn table(&mut self, above: &str, table: &DeTable<'_>) -> Result<Value, Error> {
        let mut values = Dict::new();
        for (name, value) in table {
            let key = format!("{above}{}", name.get_ref());
            self.lines.insert(key.clone(), self.line(name.span().start));
            values.insert(name.get_ref().to_string(), self.value(&key, value)?);
        }
        Ok(values.into())
    }

    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Value, Error> {
        let start = value.span().start;
        Ok(match value.get_ref() {
            DeValue::Table(table) => self.table(&format!("{key}."), table)?,
            DeValue::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (number, item) in items.iter().enumerate() {
                    let key = format!("{key}.{number}");
                    self.lines.insert(key.clone(), self.line(item.span().start));
                    values.push(self.value(&key, item)?);
                }
                values.into()
            }
            DeValue::String(text) => text.to_string().into(),
            DeValue::Boolean(value) => (*value).into(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|error| Error::Syntax {
                    origin: self.origin(start),
                    problem: format!("`{}`: {error}", number.as_str()),
                })?
                .into(),
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN).into(),
            DeValue::Datetime(date) => {
                let problem = format!("`{date}` is a date, which no setting is");
                return Err(key_error(self.origin(start), key, &problem));
            }
        })
    }
}
