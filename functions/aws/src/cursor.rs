//! The cursor of replication: an item beside the candles, in a partition of its own.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use pipeline::ports::{Cursor, PortError};

use crate::error::port_error;
use crate::register::{BIRTH, MARK, key};
use crate::store::DynamoStore;

const SERVICE: &str = "dynamodb";
/// No chart's: those have a `#` in it.
const PARTITION: &str = "replicate-cursor";
const PLACE: &str = "place";

/// A cursor in a table of candles.
#[derive(Clone, Debug)]
pub struct DynamoCursor {
    client: Client,
    table: String,
}

impl DynamoCursor {
    /// The cursor beside the candles of `store`.
    #[must_use]
    pub fn beside(store: &DynamoStore) -> Self {
        let (client, table) = store.place();
        Self { client: client.clone(), table: table.to_owned() }
    }
}

impl Cursor for DynamoCursor {
    async fn load(&self) -> Result<Option<String>, PortError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let got = get.set_key(Some(key(PARTITION))).send().await;
        let item = got.map_err(|e| port_error(SERVICE, "GetItem", &e))?.item;
        Ok(item.and_then(|item| item.get(PLACE)?.as_s().ok().cloned()))
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let mut item = key(PARTITION);
        item.insert(PLACE.to_owned(), AttributeValue::S(text.to_owned()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|e| port_error(SERVICE, "PutItem", &e))
    }

    async fn leave_birth_mark(&self, mark: &str) -> Result<(), PortError> {
        let mut item = key(BIRTH);
        item.insert(MARK.to_owned(), AttributeValue::S(mark.to_owned()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(e) if e.is_conditional_check_failed_exception() => Ok(()),
                _ => Err(port_error(SERVICE, "PutItem", &error)),
            },
        }
    }
}
