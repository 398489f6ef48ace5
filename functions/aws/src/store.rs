//! Candles in `DynamoDB`: one item a candle, written by a condition on its version.
//!
//! Partition key `pk` is `SYMBOL#INTERVAL`, sort key `sk` the open time in milliseconds, so a chart is one query.
//!
//! The pieces of a candle with many holes have a partition of their own, `SYMBOL#INTERVAL#OPEN_TIME_MS`, and their first id
//! as sort key: no query of a chart lists them, and one query reads them all. They are written together with their candle
//! in a transaction, on the same condition on the candle's version.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use candle::record::{self, Field};
use candle::{Candle, CandleKey, Interval, Piece, PieceList, RecordError, Symbol};
use pipeline::pieces::{Look, look_until_whole};
use pipeline::ports::{CandleStore, Fault, PortError, Stored};

use crate::error::port_error;
use crate::item::{Item, SERVICE, put_all_if, put_if, read};

const VERSION: &str = "version";
const IDS: &str = "ids";

/// The version that a compare-and-set expects: the item's number, and the pieces beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoVersion {
    number: u64,
    pieces: PieceList,
}

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

    /// The client and the table, for items beside the candles.
    pub(crate) fn place(&self) -> (&Client, &str) {
        (&self.client, &self.table)
    }
}

impl DynamoStore {
    async fn look(
        &self,
        key: &CandleKey,
    ) -> Result<Look<Option<(Candle, DynamoVersion)>, u64>, PortError> {
        let Some(item) = read(&self.client, &self.table, item_key(key)).await? else {
            return Ok(Look::Whole(None));
        };
        let number = integer(&item, VERSION).and_then(|version| u64::try_from(version).ok());
        let number = number.ok_or_else(|| PortError {
            service: SERVICE,
            operation: "GetItem",
            fault: Fault::Corrupt,
            detail: format!("candle {key}: field version is not a number"),
        })?;
        let root = match stored(&item, "GetItem")? {
            record::Stored::Whole(candle) => {
                let version = DynamoVersion { number, pieces: PieceList::default() };
                return Ok(Look::Whole(Some((candle, version))));
            }
            record::Stored::InPieces(root) => root,
        };
        let version = DynamoVersion { number, pieces: root.list().clone() };
        let pieces = self.pieces(key).await?;
        match root.with(|first| pieces.get(&first).map(AsRef::as_ref)) {
            Ok(candle) => Ok(Look::Whole(Some((candle, version)))),
            Err(e) if e.is_torn() => {
                Ok(Look::Torn { version: number, error: corrupt("Query", key, &e) })
            }
            Err(e) => Err(corrupt("Query", key, &e)),
        }
    }

    /// The pieces of a candle by their first ids, including those of earlier writes.
    async fn pieces(&self, key: &CandleKey) -> Result<HashMap<u64, Blob>, PortError> {
        let mut pages = self.query(pieces(key)).into_paginator().items().send();
        let mut all = HashMap::new();
        while let Some(item) = pages.next().await {
            let mut item = item.map_err(|e| port_error(SERVICE, "Query", &e))?;
            let first = integer(&item, "sk").and_then(|first| u64::try_from(first).ok());
            if let (Some(first), Some(AttributeValue::B(ids))) = (first, item.remove(IDS)) {
                all.insert(first, ids);
            }
        }
        Ok(all)
    }

    /// A query for a whole partition, strongly consistent.
    fn query(&self, partition: AttributeValue) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", partition)
    }
}

impl CandleStore for DynamoStore {
    type Version = DynamoVersion;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, DynamoVersion)>, PortError> {
        look_until_whole(|| self.look(key)).await
    }

    async fn store(
        &self,
        candle: &Candle,
        expected: Option<&DynamoVersion>,
    ) -> Result<Stored, PortError> {
        let key = candle.key();
        let record = candle.to_record();
        let none = PieceList::default();
        let Some(changed) = record.changed(expected.map_or(&none, |version| &version.pieces))
        else {
            return Ok(Stored::TooLarge);
        };
        let changed: Vec<Item> = changed.into_iter().map(|piece| piece_item(key, piece)).collect();
        let mut item = item_key(key);
        item.extend(record.fields.into_iter().map(|(n, f)| (n.to_owned(), attribute(f))));
        let version = expected.map_or(1, |version| version.number + 1);
        item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));

        let condition = match expected {
            None => "attribute_not_exists(pk)",
            Some(_) => "#version = :expected",
        };
        let names = expected.map(|_| HashMap::from([("#version".to_owned(), VERSION.to_owned())]));
        let values = expected.map(|expected| {
            let number = AttributeValue::N(expected.number.to_string());
            HashMap::from([(":expected".to_owned(), number)])
        });
        let written = if changed.is_empty() {
            let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression(condition).set_expression_attribute_names(names);
            put_if(put.set_expression_attribute_values(values)).await?
        } else {
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression(condition).set_expression_attribute_names(names);
            let root = put.set_expression_attribute_values(values);
            let pieces = changed
                .into_iter()
                .map(|piece| Put::builder().table_name(&self.table).set_item(Some(piece)));
            let puts = std::iter::once(root).chain(pieces).map(|put| {
                put.build()
                    .map_err(|e| PortError::new(SERVICE, "TransactWriteItems", Fault::Refused, &e))
            });
            put_all_if(&self.client, puts.collect::<Result<_, _>>()?).await?
        };
        Ok(if written { Stored::Written } else { Stored::Conflict })
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let mut pages = self.query(partition(symbol, interval)).into_paginator().items().send();
        let mut candles = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| port_error(SERVICE, "Query", &e))?;
            match stored(&item, "Query")? {
                record::Stored::Whole(candle) => candles.push(candle),
                // Loaded again: the pieces match the current record, not the scanned one.
                record::Stored::InPieces(root) => {
                    candles.extend(self.load(root.key()).await?.map(|(candle, _)| candle));
                }
            }
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

fn piece_item(key: &CandleKey, piece: &Piece) -> Item {
    HashMap::from([
        ("pk".to_owned(), pieces(key)),
        ("sk".to_owned(), AttributeValue::N(piece.first().to_string())),
        (IDS.to_owned(), AttributeValue::B(Blob::new(piece.bytes()))),
    ])
}

/// The partition of a candle's pieces.
fn pieces(key: &CandleKey) -> AttributeValue {
    let CandleKey { symbol, interval, open_time_ms } = key;
    AttributeValue::S(format!("{symbol}#{interval}#{open_time_ms}"))
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

fn stored(item: &Item, operation: &'static str) -> Result<record::Stored, PortError> {
    let field = |name: &str| match item.get(name)? {
        AttributeValue::S(text) => Some(Field::Text(text.clone())),
        AttributeValue::N(_) => integer(item, name).map(Field::Integer),
        AttributeValue::B(bytes) => Some(Field::Bytes(bytes.as_ref().to_vec())),
        _ => None,
    };
    record::read(field).map_err(|e| PortError::new(SERVICE, operation, Fault::Corrupt, &e))
}

fn corrupt(operation: &'static str, key: &CandleKey, error: &RecordError) -> PortError {
    let error = PortError::new(SERVICE, operation, Fault::Corrupt, error);
    PortError { detail: format!("candle {key}: {}", error.detail), ..error }
}

fn integer(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
