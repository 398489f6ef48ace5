//! The JSON schema of [`Settings`], derived from its types: the kind of each key, its range and its description.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::model::Settings;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let whole = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    whole.into_generator().into_root_schema_for::<Settings>().to_value()
});

/// The schema of all settings, without references. `docs/settings.md` is made from it.
#[must_use]
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// The schema of a dotted key, if there is such a key.
pub(super) fn at(key: &str) -> Option<&'static Value> {
    key.split('.').try_fold(schema(), |table, name| below(table, name))
}

/// The schema of a key in a table: a field of its own, or any key of a map.
pub(super) fn below<'s>(table: &'s Value, name: &str) -> Option<&'s Value> {
    let field = table.get("properties").and_then(|fields| fields.get(name));
    field.or_else(|| table.get("additionalProperties").filter(|any| any.is_object()))
}

/// The first key that is no setting, and the keys that its table has. Most types refuse one while they are read; those that a
/// program reads, too, pass it over.
pub(super) fn unknown(settings: &Value) -> Option<(String, Vec<&'static str>)> {
    unknown_in(schema(), "", settings)
}

fn unknown_in<'s>(table: &'s Value, above: &str, values: &Value) -> Option<(String, Vec<&'s str>)> {
    values.as_object()?.iter().find_map(|(name, value)| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match (below(table, name), table["properties"].as_object()) {
            (Some(field), _) => unknown_in(field, &key, value),
            (None, Some(fields)) => Some((key, fields.keys().map(String::as_str).collect())),
            (None, None) => None,
        }
    })
}

/// True if a value of this schema may be of this type, as JSON Schema names it.
pub(super) fn may_be(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        Value::String(one) => one == kind,
        _ => schema["anyOf"].as_array().is_some_and(|any| any.iter().any(|s| may_be(s, kind))),
    }
}
