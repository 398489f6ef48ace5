//! Candles in Firestore: one document a candle, written with an `update_time` precondition.
//!
//! A candle lies at `COLLECTION/SYMBOL_INTERVAL/candles/OPEN_TIME_MS`: one collection a chart, so reading a chart
//! needs no composite index. Not a transaction: its locks are slow under contention, and one write needs none.

use std::collections::HashMap;

use candle::record::Field;
use candle::{Candle, CandleKey, Interval, Symbol};
use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use firestore::{
    FirestoreDb, FirestoreDbOptions, FirestoreInstant, FirestoreWritePrecondition, timestamp_utils,
};
use pipeline::ports::{CandleStore, Fault, PortError, Stored};

use crate::clients::no_credentials;

const SERVICE: &str = "firestore";
const CANDLES: &str = "candles";

/// Candles below a collection.
#[derive(Clone, Debug)]
pub struct FirestoreStore {
    db: FirestoreDb,
    collection: String,
}

impl FirestoreStore {
    /// The candles of `collection`, at an emulator's `endpoint` or at the real service.
    pub async fn connect(
        endpoint: Option<&str>,
        project: &str,
        database: &str,
        collection: &str,
    ) -> anyhow::Result<Self> {
        let db = connect(endpoint, project, database).await?;
        Ok(Self { db, collection: collection.to_owned() })
    }

    /// What the cursor is put beside.
    pub(crate) fn place(&self) -> (&FirestoreDb, &str) {
        (&self.db, &self.collection)
    }

    /// The document above the candles of a chart; it need not exist.
    fn parent(&self, symbol: &Symbol, interval: Interval) -> Result<String, PortError> {
        let path = self.db.parent_path(&self.collection, format!("{symbol}_{interval}"));
        path.map(|path| path.to_string()).map_err(|e| port_error("parent_path", &e))
    }
}

/// A database at an emulator's `endpoint` or at the real service; somebody must be there.
pub(crate) async fn connect(
    endpoint: Option<&str>,
    project: &str,
    database: &str,
) -> Result<FirestoreDb, FirestoreError> {
    let options = FirestoreDbOptions::new(project.to_owned()).with_database_id(database.to_owned());
    match endpoint {
        Some(endpoint) => {
            let options = options.with_firebase_api_url(endpoint.to_owned());
            FirestoreDb::with_options_auth(options, no_credentials()).await
        }
        None => FirestoreDb::with_options(options).await,
    }
}

impl CandleStore for FirestoreStore {
    type Version = FirestoreInstant;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, FirestoreInstant)>, PortError> {
        let parent = self.parent(&key.symbol, key.interval)?;
        let select = self.db.fluent().select().by_id_in(CANDLES).parent(parent);
        let document = select.one(key.open_time_ms.to_string()).await;
        let Some(document) = document.map_err(|e| port_error("GetDocument", &e))? else {
            return Ok(None);
        };
        let version = document.update_time.map(timestamp_utils::from_timestamp);
        let Some(Ok(version)) = version else {
            let detail = format!("candle {key}: the document has no update time");
            return Err(corrupt("GetDocument", detail));
        };
        Ok(Some((candle(&document, "GetDocument")?, version)))
    }

    async fn store(
        &self,
        candle: &Candle,
        expected: Option<&FirestoreInstant>,
    ) -> Result<Stored, PortError> {
        let key = candle.key();
        let parent = self.parent(&key.symbol, key.interval)?;
        let fields = candle.to_fields().into_iter();
        let document = Document {
            name: format!("{parent}/{CANDLES}/{}", key.open_time_ms),
            fields: fields.map(|(name, field)| (name.to_owned(), value(field))).collect(),
            ..Document::default()
        };
        let precondition = match expected {
            None => FirestoreWritePrecondition::Exists(false),
            Some(version) => FirestoreWritePrecondition::UpdateTime(*version),
        };
        let update = self.db.fluent().update().in_col(CANDLES).precondition(precondition);
        let written = is_written(update.document(document).execute().await)?;
        Ok(if written { Stored::Written } else { Stored::Conflict })
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let select = self.db.fluent().select().from(CANDLES);
        let select = select.parent(self.parent(symbol, interval)?);
        let ordered = select.order(|order| order.fields([order.field("open_time_ms").asc()]));
        let documents = ordered.query().await.map_err(|e| port_error("RunQuery", &e))?;
        documents.iter().map(|document| candle(document, "RunQuery")).collect()
    }
}

/// What became of an update with a precondition; `false`: it was not met, and nothing is written.
pub(crate) fn is_written<T>(updated: Result<T, FirestoreError>) -> Result<bool, PortError> {
    match updated {
        Ok(_) => Ok(true),
        Err(error) if lost(&error) => Ok(false),
        Err(error) => Err(port_error("UpdateDocument", &error)),
    }
}

/// Whether the compare-and-set found something else. `ABORTED` is contention on one document: nothing was written.
fn lost(error: &FirestoreError) -> bool {
    match error {
        FirestoreError::DataConflictError(_) | FirestoreError::DataNotFoundError(_) => true,
        FirestoreError::DatabaseError(error) => {
            matches!(error.public.code.as_str(), "FailedPrecondition" | "Aborted")
        }
        _ => false,
    }
}

pub(crate) fn port_error(operation: &'static str, error: &FirestoreError) -> PortError {
    let unknown = match error {
        FirestoreError::DatabaseError(error) => {
            let code = error.public.code.as_str();
            error.retry_possible || matches!(code, "DeadlineExceeded" | "Internal" | "Unknown")
        }
        FirestoreError::NetworkError(_) | FirestoreError::SystemError(_) => true,
        _ => false,
    };
    let fault = if unknown { Fault::Unknown } else { Fault::Refused };
    PortError::new(SERVICE, operation, fault, error)
}

fn corrupt(operation: &'static str, detail: String) -> PortError {
    PortError { service: SERVICE, operation, fault: Fault::Corrupt, detail }
}

fn value(field: Field) -> Value {
    Value {
        value_type: Some(match field {
            Field::Text(text) => ValueType::StringValue(text),
            Field::Integer(integer) => ValueType::IntegerValue(integer),
            Field::Bytes(bytes) => ValueType::BytesValue(bytes),
        }),
    }
}

fn candle(document: &Document, operation: &'static str) -> Result<Candle, PortError> {
    let fields: &HashMap<String, Value> = &document.fields;
    let field = |name: &str| match fields.get(name)?.value_type.as_ref()? {
        ValueType::StringValue(text) => Some(Field::Text(text.clone())),
        ValueType::IntegerValue(integer) => Some(Field::Integer(*integer)),
        ValueType::BytesValue(bytes) => Some(Field::Bytes(bytes.clone())),
        _ => None,
    };
    Candle::from_fields(field).map_err(|e| PortError::new(SERVICE, operation, Fault::Corrupt, &e))
}
