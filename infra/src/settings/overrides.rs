//! `--set a.b=value` and `TWINCLOUD_A__B=value` as layers.

use std::collections::BTreeMap;

use figment::value::{Empty, Num, Value};

use super::error::{Error, shortened};
use super::layers::Layer;
use super::{key_error, schema};

const PREFIX: &str = "TWINCLOUD_";

/// One layer for each variable that is a setting, in the order of their names.
pub(super) fn from_vars(vars: impl Iterator<Item = (String, String)>) -> Result<Vec<Layer>, Error> {
    let settings: BTreeMap<String, String> = vars
        .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| rest.contains("__")))
        .collect();
    settings
        .into_iter()
        .map(|(name, value)| {
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            layer(&key, &value, name)
        })
        .collect()
}

/// One layer for each argument, in their order.
pub(super) fn from_sets(sets: &[String]) -> Result<Vec<Layer>, Error> {
    sets.iter()
        .map(|text| {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::Override { text: text.clone() });
            };
            layer(key.trim(), value, format!("--set {}", shortened(text)))
        })
        .collect()
}

fn layer(key: &str, text: &str, shown: String) -> Result<Layer, Error> {
    let not_overridden = match key {
        "project.environment" => {
            Some("the environment chooses the overlay, so it can't be overridden; use --env")
        }
        "project.region_of" => Some("only an overlay of twincloud.toml says so"),
        _ => None,
    };
    match not_overridden {
        Some(problem) => Err(key_error(shown, key, problem)),
        None => Ok(Layer::given(key, typed(key, text), shown)),
    }
}

/// The value that a text is at this key. One that doesn't fit stays a text, and reading it says what would fit.
fn typed(key: &str, text: &str) -> Value {
    let may_be = |kind| schema::at(key).is_some_and(|schema| schema::may_be(schema, kind));
    // So `--set key=` takes away what the file says.
    if text.is_empty() && may_be("null") {
        return Empty::None.into();
    }
    let trimmed = text.trim();
    if may_be("array") {
        let items = trimmed.trim_start_matches('[').trim_end_matches(']').split(',');
        let items = items.map(|item| item.trim().trim_matches(['"', '\'']));
        return items.filter(|item| !item.is_empty()).collect::<Vec<_>>().into();
    }
    let number = || trimmed.parse::<Num>().ok().filter(|_| may_be("integer")).map(Value::from);
    let boolean = || text.parse::<bool>().ok().filter(|_| may_be("boolean")).map(Value::from);
    number().or_else(boolean).unwrap_or_else(|| text.into())
}
