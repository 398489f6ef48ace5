//! The latest routing override and the incarnation id: items beside the candles, each in a partition of its own.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use pipeline::ports::{Fault, PortError};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};

use crate::item::{INCARNATION, Item, MARK, SERVICE, alone, put_if, read, text};
use crate::store::DynamoStore;

/// Not a chart's partition: those contain a `#`.
const PARTITION: &str = "failover-order";
const EPOCH: &str = "epoch";
const TO: &str = "to";
const BY: &str = "by";
const AT: &str = "at_ms";

/// An override store in a table of candles.
#[derive(Clone, Debug)]
pub struct DynamoOverrideStore {
    client: Client,
    table: String,
}

impl DynamoOverrideStore {
    /// The override store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The override store beside the candles of `store`.
    #[must_use]
    pub fn beside(store: &DynamoStore) -> Self {
        let (client, table) = store.place();
        Self::new(client.clone(), table)
    }
}

impl OverrideStore for DynamoOverrideStore {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        let item = read(&self.client, &self.table, alone(PARTITION)).await?;
        item.map(|item| order(&item)).transpose()
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        let mut item = alone(PARTITION);
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
        put_if(put).await
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        let item = read(&self.client, &self.table, alone(INCARNATION)).await?;
        Ok(item.and_then(|item| text(&item, MARK)))
    }
}

fn attributes(order: &RoutingOverride) -> Vec<(&'static str, AttributeValue)> {
    let mut attributes = vec![
        (EPOCH, AttributeValue::N(order.epoch.to_string())),
        (BY, AttributeValue::S(order.by.clone())),
        (AT, AttributeValue::N(order.at_ms.to_string())),
    ];
    attributes.extend(order.to.as_ref().map(|to| (TO, AttributeValue::S(to.clone()))));
    attributes
}

fn order(item: &Item) -> Result<RoutingOverride, PortError> {
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    let text = |name: &str| text(item, name);
    let read = || {
        Some(RoutingOverride {
            epoch: number(EPOCH)?,
            to: text(TO),
            by: text(BY)?,
            at_ms: number(AT)?,
        })
    };
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
        let policy =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../terraform/modules/producer/producer.tf");
        let policy = std::fs::read_to_string(policy).expect("the policy");
        let (order, birth) = (super::PARTITION, super::INCARNATION);
        let keys = format!("\"dynamodb:LeadingKeys\" = [\"{order}\", \"{birth}\"]");
        assert!(
            policy.contains(&keys),
            "terraform/modules/producer/producer.tf does not name {keys}"
        );
    }
}
