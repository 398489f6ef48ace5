//! Candles in `DynamoDB`: one item a candle, written by a condition on its version.
//!
//! Partition key `pk` is `SYMBOL#INTERVAL`, sort key `sk` the open time in milliseconds, so a chart is one query.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use candle::record::Field;
use candle::{Candle, CandleKey, Interval, Symbol};
use pipeline::ports::{CandleStore, Fault, PortError, Stored};

use crate::error::port_error;
use crate::item::{Item, SERVICE, put_if, read};

const VERSION: &str = "version";

/// Candles in a table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

impl DynamoStore {
    /// The candles in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// What the cursor is put beside.
    pub(crate) fn place(&self) -> (&Client, &str) {
        (&self.client, &self.table)
    }
}

impl CandleStore for DynamoStore {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, u64)>, PortError> {
        let Some(item) = read(&self.client, &self.table, item_key(key)).await? else {
            return Ok(None);
        };
        let version = integer(&item, VERSION).and_then(|version| u64::try_from(version).ok());
        let version = version.ok_or_else(|| PortError {
            service: SERVICE,
            operation: "GetItem",
            fault: Fault::Corrupt,
            detail: format!("candle {key}: field version is not a number"),
        })?;
        Ok(Some((candle(&item, "GetItem")?, version)))
    }

    async fn store(&self, candle: &Candle, expected: Option<&u64>) -> Result<Stored, PortError> {
        let mut item = item_key(candle.key());
        item.extend(candle.to_fields().into_iter().map(|(n, f)| (n.to_owned(), attribute(f))));
        let version = expected.map_or(1, |version| version + 1);
        item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));

        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(expected) => put
                .condition_expression("#version = :expected")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":expected", AttributeValue::N(expected.to_string())),
        };
        Ok(if put_if(put).await? { Stored::Written } else { Stored::Conflict })
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let mut pages = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", partition(symbol, interval))
            .into_paginator()
            .items()
            .send();
        let mut candles = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| port_error(SERVICE, "Query", &e))?;
            candles.push(candle(&item, "Query")?);
        }
        Ok(candles)
    }
}

fn item_key(key: &CandleKey) -> Item {
    HashMap::from([
        ("pk".to_owned(), partition(&key.symbol, key.interval)),
        ("sk".to_owned(), AttributeValue::N(key.open_time_ms.to_string())),
    ])
}

fn partition(symbol: &Symbol, interval: Interval) -> AttributeValue {
    AttributeValue::S(format!("{symbol}#{interval}"))
}

fn attribute(field: Field) -> AttributeValue {
    match field {
        Field::Text(text) => AttributeValue::S(text),
        Field::Integer(integer) => AttributeValue::N(integer.to_string()),
        Field::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
    }
}

fn candle(item: &Item, operation: &'static str) -> Result<Candle, PortError> {
    let field = |name: &str| match item.get(name)? {
        AttributeValue::S(text) => Some(Field::Text(text.clone())),
        AttributeValue::N(_) => integer(item, name).map(Field::Integer),
        AttributeValue::B(bytes) => Some(Field::Bytes(bytes.as_ref().to_vec())),
        _ => None,
    };
    Candle::from_fields(field).map_err(|e| PortError::new(SERVICE, operation, Fault::Corrupt, &e))
}

fn integer(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
