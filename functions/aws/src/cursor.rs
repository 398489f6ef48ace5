//! The cursor of replication: an item beside the candles, in a partition of its own.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use pipeline::ports::{Cursor, PortError};

use crate::error::port_error;
use crate::item::{INCARNATION, MARK, SERVICE, alone, put_if, read, text};
use crate::store::DynamoStore;

/// Not a chart's partition: those contain a `#`.
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
        let item = read(&self.client, &self.table, alone(PARTITION)).await?;
        Ok(item.and_then(|item| text(&item, PLACE)))
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let mut item = alone(PARTITION);
        item.insert(PLACE.to_owned(), AttributeValue::S(text.to_owned()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|e| port_error(SERVICE, "PutItem", &e))
    }

    async fn ensure_incarnation(&self, mark: &str) -> Result<(), PortError> {
        let mut item = alone(INCARNATION);
        item.insert(MARK.to_owned(), AttributeValue::S(mark.to_owned()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put_if(put.condition_expression("attribute_not_exists(pk)")).await.map(drop)
    }
}
