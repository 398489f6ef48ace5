//! The latest order by hand and the birth mark: items beside the candles, each in a partition of its own.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use pipeline::ports::{Fault, PortError};
use pipeline::route::epoch::{Order, Register};

use crate::error::port_error;
use crate::store::DynamoStore;

const SERVICE: &str = "dynamodb";
/// No chart's: those have a `#` in it.
const PARTITION: &str = "failover-order";
/// Of the birth mark. No chart's, either.
pub(crate) const BIRTH: &str = "birth";
pub(crate) const MARK: &str = "mark";
const EPOCH: &str = "epoch";
const TO: &str = "to";
const BY: &str = "by";
const AT: &str = "at_ms";

type Item = HashMap<String, AttributeValue>;

/// A register in a table of candles.
#[derive(Clone, Debug)]
pub struct DynamoRegister {
    client: Client,
    table: String,
}

impl DynamoRegister {
    /// The register in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The register beside the candles of `store`.
    #[must_use]
    pub fn beside(store: &DynamoStore) -> Self {
        let (client, table) = store.place();
        Self::new(client.clone(), table)
    }
}

impl Register for DynamoRegister {
    async fn read(&self) -> Result<Option<Order>, PortError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let got = get.set_key(Some(key(PARTITION))).send().await;
        let item = got.map_err(|e| port_error(SERVICE, "GetItem", &e))?.item;
        item.map(|item| order(&item)).transpose()
    }

    async fn replace(&self, expected: Option<&Order>, order: &Order) -> Result<bool, PortError> {
        let mut item = key(PARTITION);
        item.extend(attributes(order).into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        if let Some(expected) = expected {
            let mut condition = Vec::new();
            for (name, value) in attributes(expected) {
                condition.push(format!("#{name} = :{name}"));
                put = put.expression_attribute_names(format!("#{name}"), name);
                put = put.expression_attribute_values(format!(":{name}"), value);
            }
            if expected.to.is_none() {
                condition.push(format!("attribute_not_exists(#{TO})"));
                put = put.expression_attribute_names(format!("#{TO}"), TO);
            }
            put = put.condition_expression(condition.join(" AND "));
        } else {
            put = put.condition_expression("attribute_not_exists(pk)");
        }
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(e) if e.is_conditional_check_failed_exception() => Ok(false),
                _ => Err(port_error(SERVICE, "PutItem", &error)),
            },
        }
    }

    async fn birth_mark(&self) -> Result<Option<String>, PortError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let got = get.set_key(Some(key(BIRTH))).send().await;
        let item = got.map_err(|e| port_error(SERVICE, "GetItem", &e))?.item;
        Ok(item.and_then(|item| item.get(MARK)?.as_s().ok().cloned()))
    }
}

/// The key of the one item in a partition.
pub(crate) fn key(partition: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition.to_owned())),
        ("sk".to_owned(), AttributeValue::N("0".to_owned())),
    ])
}

fn attributes(order: &Order) -> Vec<(&'static str, AttributeValue)> {
    let mut attributes = vec![
        (EPOCH, AttributeValue::N(order.epoch.to_string())),
        (BY, AttributeValue::S(order.by.clone())),
        (AT, AttributeValue::N(order.at_ms.to_string())),
    ];
    attributes.extend(order.to.as_ref().map(|to| (TO, AttributeValue::S(to.clone()))));
    attributes
}

fn order(item: &Item) -> Result<Order, PortError> {
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let read =
        || Some(Order { epoch: number(EPOCH)?, to: text(TO), by: text(BY)?, at_ms: number(AT)? });
    read().ok_or_else(|| PortError {
        service: SERVICE,
        operation: "GetItem",
        fault: Fault::Corrupt,
        detail: format!("the item {PARTITION} is no order; delete it, and give the order again"),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_policy_of_a_producer_lets_it_read_these_items() {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../terraform/producer.tf");
        let policy = std::fs::read_to_string(policy).expect("the policy");
        let (order, birth) = (super::PARTITION, super::BIRTH);
        let keys = format!("\"dynamodb:LeadingKeys\" = [\"{order}\", \"{birth}\"]");
        assert!(policy.contains(&keys), "terraform/producer.tf does not name {keys}");
    }
}
