//! The reference of all settings in `docs/settings.md`, made from the types of the settings and from `twincloud.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use toml::{Table, Value as Toml};

const FILE: &str = include_str!("../../twincloud.toml");
const BEGIN: &str = "<!-- The reference from here on is generated: UPDATE_DOCS=1 cargo test -p infra --test reference -->\n";
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p infra --test reference";

/// The units that names of keys end in.
const UNITS: [(&str, &str); 9] = [
    ("_s", "seconds"),
    ("_ms", "milliseconds"),
    ("_minutes", "minutes"),
    ("_days", "days"),
    ("_bytes", "bytes"),
    ("_mb", "MiB"),
    ("_gb", "GiB"),
    ("_percent", "per cent"),
    ("_usd", "US dollars"),
];

#[test]
fn the_reference_of_settings_is_that_of_the_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let text = std::fs::read_to_string(&path).expect("read docs/settings.md");
    let (introduction, written) = text.split_once(BEGIN).expect("docs/settings.md has the mark");
    let made = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{introduction}{BEGIN}{made}")).expect("write it");
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (new, old) = (lines(&made), lines(written));
    let at = (0..new.len().max(old.len())).find(|&line| new.get(line) != old.get(line));
    let differing = at.map(|line| (new.get(line), old.get(line)));
    assert!(
        made == written,
        "docs/settings.md differs from the settings; update it by `{UPDATE}`\nthe first line that \
         differs, of the settings and of the page: {differing:#?}"
    );
}

/// Each key has a description: a reader of the page knows nothing else.
#[test]
fn each_setting_says_what_it_is() {
    let mut tables = Tables::new();
    collect(infra::settings::schema(), "", &mut tables);
    for (table, keys) in &tables {
        for (key, schema) in keys {
            let described = schema["description"].as_str().is_some_and(|text| text.ends_with('.'));
            assert!(described, "`{table}.{key}` has no whole sentence as its comment in the model");
        }
    }
    let described = |table: &str| tables.contains_key(table);
    assert!(described("aws.queue") && described("producer.publish"), "{:?}", tables.keys());
}

/// The keys of each table, with their schemas.
type Tables<'s> = BTreeMap<String, BTreeMap<&'s str, &'s Value>>;

fn collect<'s>(schema: &'s Value, table: &str, tables: &mut Tables<'s>) {
    for (name, field) in schema["properties"].as_object().expect("a table has keys") {
        if field["properties"].is_object() {
            let dot = if table.is_empty() { "" } else { "." };
            collect(field, &format!("{table}{dot}{name}"), tables);
        } else {
            tables.entry(table.to_owned()).or_default().insert(name, field);
        }
    }
}

fn reference() -> String {
    let mut tables = Tables::new();
    collect(infra::settings::schema(), "", &mut tables);
    let mut file: Table = FILE.parse().expect("twincloud.toml is TOML");
    let environments = file.remove("env").and_then(|env| env.as_table().cloned());
    let environments = environments.unwrap_or_default();
    let mut text = String::new();
    for (table, keys) in &tables {
        let of = described(at_schema(table));
        let _ = writeln!(
            text,
            "\n### `[{table}]`\n\n{of}\n\n| key | type | value | range | what it is |\n|---|---|---|---|---|"
        );
        for (key, schema) in keys {
            let dotted = format!("{table}.{key}");
            let value = value(&dotted, schema, &file, &environments);
            let (kind, range, what) = (kind(key, schema), range(schema), described(schema));
            let _ = writeln!(text, "| `{key}` | {kind} | {value} | {range} | {what} |");
        }
    }
    text
}

fn at_schema(table: &str) -> &'static Value {
    table.split('.').fold(infra::settings::schema(), |schema, name| &schema["properties"][name])
}

/// The first paragraph of a comment, on one line, and what can be chosen.
fn described(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let text = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let choices: Vec<String> = choices(schema)
        .filter_map(|(name, what)| Some(format!("`{name}`: {}", what?.trim_end_matches('.'))))
        .collect();
    let choices =
        if choices.is_empty() { String::new() } else { format!(" {}.", choices.join("; ")) };
    format!("{text}{choices}").replace('|', "\\|")
}

/// The values of an enumeration, with their comments.
fn choices(schema: &Value) -> impl Iterator<Item = (&str, Option<&str>)> {
    let nullable = schema["anyOf"].as_array().and_then(|any| any.first()).unwrap_or(schema);
    let one_of = nullable["oneOf"].as_array().into_iter().flatten();
    one_of.filter_map(|one| Some((one["const"].as_str()?, one["description"].as_str())))
}

fn kind(key: &str, schema: &Value) -> String {
    if choices(schema).next().is_some() {
        return "one of the names".to_owned();
    }
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    let unit = UNITS.iter().find(|(end, _)| key.ends_with(end));
    match unit {
        Some((_, unit)) if is("integer") => format!("whole number of {unit}"),
        _ if is("integer") => "whole number".to_owned(),
        _ if is("boolean") => "`true` or `false`".to_owned(),
        _ if is("array") => "list of texts".to_owned(),
        _ if is("object") && schema["additionalProperties"]["type"] == "integer" => {
            "table of whole numbers".to_owned()
        }
        _ if is("object") => "table of texts".to_owned(),
        _ if is("string") => "text".to_owned(),
        _ => panic!("`{key}` is of a kind that the reference has no word for: {schema:#}"),
    }
}

fn range(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ if choices(schema).next().is_some() => {
            choices(schema).map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

/// The value of `twincloud.toml`, else the one of the code; then those of environments.
fn value(key: &str, schema: &Value, file: &Table, environments: &Table) -> String {
    let at = |table: &Table| {
        let mut names = key.split('.');
        let first = table.get(names.next()?)?;
        names.try_fold(first, |table, name| table.get(name)).cloned()
    };
    let shipped = at(file).map(|value| code(&value));
    let default = schema.get("default").filter(|default| !default.is_null());
    let value = shipped.or_else(|| default.map(|default| format!("`{default}`")));
    let mut text = value.unwrap_or_else(|| "none".to_owned());
    for (environment, overlay) in environments {
        if let Some(value) = overlay.as_table().and_then(at) {
            let _ = write!(text, "; {environment}: {}", code(&value));
        }
    }
    text
}

/// A value as `--set` takes it.
fn code(value: &Toml) -> String {
    match value {
        Toml::Table(table) if table.is_empty() => "`{}`".to_owned(),
        Toml::Table(table) => {
            let pairs: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("`{{ {} }}`", pairs.join(", "))
        }
        other => format!("`{other}`"),
    }
}
