//! `--set a.b=value` and `TWINCLOUD_A__B=value` as layers for the tree.

use std::collections::BTreeMap;

use super::error::{Error, Origin};
use super::tree::{Kind, Node};

const PREFIX: &str = "TWINCLOUD_";

/// One layer for each variable that is a setting, in the order of their names.
pub(super) fn from_vars(vars: impl Iterator<Item = (String, String)>) -> Result<Vec<Node>, Error> {
    let settings: BTreeMap<String, String> = vars
        .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| rest.contains("__")))
        .collect();
    settings
        .into_iter()
        .map(|(name, value)| {
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            layer(&key, value, &Origin::Variable(name.as_str().into()))
        })
        .collect()
}

/// One layer for each argument, in their order.
pub(super) fn from_sets(sets: &[String]) -> Result<Vec<Node>, Error> {
    sets.iter()
        .map(|text| {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::Override { text: text.clone() });
            };
            layer(key.trim(), value.to_owned(), &Origin::Set(text.as_str().into()))
        })
        .collect()
}

fn layer(key: &str, value: String, origin: &Origin) -> Result<Node, Error> {
    let not_overridden = match key {
        "project.environment" => {
            Some("the environment chooses the overlay, so it can't be overridden; use --env")
        }
        "project.region_of" => Some("only an overlay of twincloud.toml says so"),
        _ => None,
    };
    if let Some(problem) = not_overridden {
        return Err(super::key_error(origin, key, problem));
    }
    let leaf = Node { origin: origin.clone(), kind: Kind::Text(value) };
    Ok(key.rsplit('.').fold(leaf, |node, name| Node {
        origin: origin.clone(),
        kind: Kind::Table(BTreeMap::from([(name.to_owned(), node)])),
    }))
}
