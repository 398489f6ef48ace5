//! Items of the table of candles: read as they are now, put on a condition; and what those beside the candles are called.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use pipeline::ports::PortError;

use crate::error::port_error;

pub(crate) const SERVICE: &str = "dynamodb";
/// The partition of the birth mark, and its attribute. No chart's: those have a `#` in it.
pub(crate) const BIRTH: &str = "birth";
pub(crate) const MARK: &str = "mark";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The key of an item that has its partition to itself.
pub(crate) fn alone(partition: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition.to_owned())),
        ("sk".to_owned(), AttributeValue::N("0".to_owned())),
    ])
}

/// The item of this key, if there is one.
pub(crate) async fn read(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<Item>, PortError> {
    let get = client.get_item().table_name(table).consistent_read(true).set_key(Some(key));
    Ok(get.send().await.map_err(|e| port_error(SERVICE, "GetItem", &e))?.item)
}

/// The text in an item.
pub(crate) fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// Puts an item; `false`: its condition was not met, and nothing is written.
pub(crate) async fn put_if(put: PutItemFluentBuilder) -> Result<bool, PortError> {
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(e) if e.is_conditional_check_failed_exception() => Ok(false),
            _ => Err(port_error(SERVICE, "PutItem", &error)),
        },
    }
}
