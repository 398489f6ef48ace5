//! The resources that a template creates, computed locally: for a stack that accepts no change set until it is
//! deleted.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::plan::{Action, Change, Replacement};

/// Each resource of a template as an addition, except those with a false condition. If a condition can't be
/// evaluated, the resource is listed.
pub(super) fn additions(template: &str, parameters: &BTreeMap<String, String>) -> Vec<Change> {
    let Ok(documents) = Yaml::load_from_str(template) else { return Vec::new() };
    let Some(top) = documents.first() else { return Vec::new() };
    let conditions = Conditions { top, parameters };
    let mut changes: Vec<Change> = entries(get(top, "Resources"))
        .filter(|(_, resource)| {
            let condition = get(resource, "Condition").and_then(Yaml::as_str);
            condition.is_none_or(|name| conditions.named(name, 0).unwrap_or(true))
        })
        .map(|(name, resource)| Change {
            action: Action::Add,
            address: name.to_owned(),
            resource_type: get(resource, "Type")
                .and_then(Yaml::as_str)
                .unwrap_or_default()
                .to_owned(),
            replacement: Replacement::No,
            properties: Vec::new(),
        })
        .collect();
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    changes
}

/// The most levels of conditions that refer to conditions.
const DEPTH: u32 = 16;

struct Conditions<'a> {
    top: &'a Yaml<'a>,
    parameters: &'a BTreeMap<String, String>,
}

impl Conditions<'_> {
    fn named(&self, name: &str, depth: u32) -> Option<bool> {
        self.holds(get(get(self.top, "Conditions")?, name)?, depth)
    }

    fn holds(&self, node: &Yaml<'_>, depth: u32) -> Option<bool> {
        if depth > DEPTH {
            return None;
        }
        let (function, of) = function(node)?;
        let mut all = items(of).map(|item| self.holds(item, depth + 1));
        match function {
            "Condition" => self.named(of.as_str()?, depth + 1),
            "Equals" => {
                let mut values = items(of).map(|item| self.value(item));
                Some(values.next()?? == values.next()??)
            }
            "Not" => all.next()?.map(|holds| !holds),
            "And" => all.try_fold(true, |and, holds| Some(and && holds?)),
            "Or" => all.try_fold(false, |or, holds| Some(or || holds?)),
            _ => None,
        }
    }

    fn value(&self, node: &Yaml<'_>) -> Option<String> {
        match function(node) {
            Some(("Ref", of)) => {
                let name = of.as_str()?;
                let default = || get(get(get(self.top, "Parameters")?, name)?, "Default");
                self.parameters.get(name).cloned().or_else(|| default().and_then(scalar))
            }
            Some(_) => None,
            None => scalar(node),
        }
    }
}

/// `!Equals […]`, `{Fn::Equals: […]}`, `!Ref X` or `{Ref: X}`: the function and its argument.
fn function<'y>(node: &'y Yaml<'y>) -> Option<(&'y str, &'y Yaml<'y>)> {
    match node {
        Yaml::Tagged(tag, of) => Some((tag.suffix.as_str(), of)),
        Yaml::Mapping(map) if map.len() == 1 => {
            let (key, of) = map.iter().next()?;
            let key = key.as_str()?;
            Some((key.strip_prefix("Fn::").unwrap_or(key), of))
        }
        _ => None,
    }
}

fn get<'y>(node: &'y Yaml<'y>, name: &str) -> Option<&'y Yaml<'y>> {
    entries(Some(node)).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn entries<'y>(node: Option<&'y Yaml<'y>>) -> impl Iterator<Item = (&'y str, &'y Yaml<'y>)> {
    let map = match node {
        Some(Yaml::Mapping(map)) => Some(map),
        _ => None,
    };
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str()?, value)))
}

fn items<'y>(node: &'y Yaml<'y>) -> impl Iterator<Item = &'y Yaml<'y>> {
    let items = match node {
        Yaml::Sequence(items) => items.as_slice(),
        _ => &[],
    };
    items.iter()
}

/// A scalar as text, as `CloudFormation` compares it.
fn scalar(node: &Yaml<'_>) -> Option<String> {
    let text = node.as_str().map(str::to_owned);
    let text = text.or_else(|| node.as_integer().map(|number| number.to_string()));
    text.or_else(|| node.as_bool().map(|is| is.to_string()))
}

#[cfg(test)]
mod tests {
    use infra::render::{BOOTSTRAP_TEMPLATE, STACK_TEMPLATE};

    use super::*;

    fn names(template: &str, parameters: &[(&str, &str)]) -> Vec<String> {
        let parameters =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        additions(template, &parameters.collect())
            .into_iter()
            .map(|change| change.address)
            .collect()
    }

    #[test]
    fn resources_are_listed_by_their_conditions() {
        let all = names(STACK_TEMPLATE, &[("ReplicateEnabled", "true")]);
        assert!(all.contains(&"Table".to_owned()) && all.contains(&"ReplicateFunction".to_owned()));
        let without = names(STACK_TEMPLATE, &[("ReplicateEnabled", "false")]);
        assert!(without.contains(&"Table".to_owned()), "{without:?}");
        assert!(!without.iter().any(|name| name.starts_with("Replicat")), "{without:?}");
        let state = |base| names(BOOTSTRAP_TEMPLATE, &[("StateBucketBase", base)]);
        assert!(state("a-base").contains(&"StateBucket".to_owned()));
        assert!(!state("").contains(&"StateBucket".to_owned()));
    }

    #[test]
    fn conditions_in_both_forms_and_of_each_other() {
        let template = r#"{"Parameters": {"N": {"Type": "Number", "Default": 0}},
            "Conditions": {"Zero": {"Fn::Equals": [{"Ref": "N"}, 0]}, "Some": {"Fn::Not": [{"Condition": "Zero"}]},
                           "Both": {"Fn::And": [{"Condition": "Zero"}, {"Condition": "Some"}]},
                           "Any": {"Fn::Or": [{"Condition": "Zero"}, {"Condition": "Some"}]}},
            "Resources": {"A": {"Type": "T", "Condition": "Zero"}, "B": {"Type": "T", "Condition": "Some"},
                          "C": {"Type": "T", "Condition": "Both"}, "D": {"Type": "T", "Condition": "Any"},
                          "E": {"Type": "T", "Condition": "Unknown"}}}"#;
        assert_eq!(names(template, &[]), ["A", "D", "E"]);
        assert_eq!(names(template, &[("N", "7")]), ["B", "D", "E"]);
    }
}
