//! Candles in Firestore: one document a candle, written with an `update_time` precondition.
//!
//! A candle lies at `COLLECTION/SYMBOL_INTERVAL/candles/OPEN_TIME_MS`: one collection a chart, so reading a chart
//! needs no composite index. Not a transaction: its locks are slow under contention, and one write needs none.
//!
//! The pieces of a candle with many holes lie below its document, at `…/candles/OPEN_TIME_MS/pieces/FIRST_ID`, where no query
//! of a chart lists them. They are written together with it in one commit, on the same precondition on the candle's document.

use std::collections::HashMap;

use candle::record::{self, Field};
use candle::{Candle, CandleKey, Interval, Piece, PieceList, RecordError, Symbol};
use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{CommitRequest, Document, Value, Write};
use firestore::gcloud_sdk::tonic;
use firestore::{
    FirestoreDb, FirestoreDbOptions, FirestoreInstant, FirestoreWritePrecondition, timestamp_utils,
};
use pipeline::pieces::{Look, look_until_whole};
use pipeline::ports::{CandleStore, Fault, PortError, Stored};

use crate::clients::no_credentials;

const SERVICE: &str = "firestore";
const CANDLES: &str = "candles";
const PIECES: &str = "pieces";
const IDS: &str = "ids";

/// The version that a compare-and-set expects: the update time of the candle's document, and the pieces below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirestoreVersion {
    updated: FirestoreInstant,
    pieces: PieceList,
}

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

    /// The database and the collection, for documents beside the charts.
    pub(crate) fn place(&self) -> (&FirestoreDb, &str) {
        (&self.db, &self.collection)
    }

    /// The document above the candles of a chart; it need not exist.
    fn parent(&self, symbol: &Symbol, interval: Interval) -> Result<String, PortError> {
        let path = self.db.parent_path(&self.collection, format!("{symbol}_{interval}"));
        path.map(|path| path.to_string()).map_err(|e| port_error("parent_path", &e))
    }

    /// The document of a candle.
    fn name(&self, key: &CandleKey) -> Result<String, PortError> {
        let parent = self.parent(&key.symbol, key.interval)?;
        Ok(format!("{parent}/{CANDLES}/{}", key.open_time_ms))
    }

    async fn look(
        &self,
        key: &CandleKey,
    ) -> Result<Look<Option<(Candle, FirestoreVersion)>, FirestoreInstant>, PortError> {
        let parent = self.parent(&key.symbol, key.interval)?;
        let select = self.db.fluent().select().by_id_in(CANDLES).parent(parent);
        let document = select.one(key.open_time_ms.to_string()).await;
        let Some(document) = document.map_err(|e| port_error("GetDocument", &e))? else {
            return Ok(Look::Whole(None));
        };
        let updated = document.update_time.map(timestamp_utils::from_timestamp);
        let Some(Ok(updated)) = updated else {
            let detail = format!("candle {key}: the document has no update time");
            return Err(corrupt("GetDocument", detail));
        };
        let root = match stored(&document, "GetDocument")? {
            record::Stored::Whole(candle) => {
                let version = FirestoreVersion { updated, pieces: PieceList::default() };
                return Ok(Look::Whole(Some((candle, version))));
            }
            record::Stored::InPieces(root) => root,
        };
        let version = FirestoreVersion { updated, pieces: root.list().clone() };
        let pieces = self.pieces(key).await?;
        let error = |e: &RecordError| corrupt("RunQuery", format!("candle {key}: {e}"));
        match root.with(|first| pieces.get(&first).map(Vec::as_slice)) {
            Ok(candle) => Ok(Look::Whole(Some((candle, version)))),
            Err(e) if e.is_torn() => Ok(Look::Torn { version: updated, error: error(&e) }),
            Err(e) => Err(error(&e)),
        }
    }

    /// The pieces of a candle by their first ids, including those of earlier writes.
    async fn pieces(&self, key: &CandleKey) -> Result<HashMap<u64, Vec<u8>>, PortError> {
        let select = self.db.fluent().select().from(PIECES).parent(self.name(key)?);
        let documents = select.query().await.map_err(|e| port_error("RunQuery", &e))?;
        let piece = |document: Document| {
            let first = document.name.rsplit('/').next()?.parse().ok()?;
            let ids = document.fields.into_iter().find(|(name, _)| name == IDS)?.1;
            let Some(ValueType::BytesValue(ids)) = ids.value_type else { return None };
            Some((first, ids))
        };
        Ok(documents.into_iter().filter_map(piece).collect())
    }

    /// Writes a candle's document and these pieces in one step; `false`: the precondition on the document was not met, and
    /// nothing is written.
    async fn commit(
        &self,
        document: Document,
        precondition: FirestoreWritePrecondition,
        pieces: &[&Piece],
    ) -> Result<bool, PortError> {
        let precondition = precondition.try_into().map_err(|e| port_error("Commit", &e))?;
        let below = format!("{}/{PIECES}", document.name);
        let pieces = pieces.iter().map(|piece| Document {
            name: format!("{below}/{}", piece.first()),
            fields: [(IDS.to_owned(), value(Field::Bytes(piece.bytes().to_vec())))].into(),
            ..Document::default()
        });
        let write =
            |document| Write { operation: Some(Operation::Update(document)), ..Write::default() };
        let mut writes =
            vec![Write { current_document: Some(precondition), ..write(document.clone()) }];
        writes.extend(pieces.map(write));
        let database = self.db.get_database_path().clone();
        let request = CommitRequest { database, writes, ..CommitRequest::default() };
        let committed = self.db.client().get().commit(tonic::Request::new(request)).await;
        is_written("Commit", committed.map_err(FirestoreError::from))
    }
}

/// A database at an emulator's `endpoint` or at the real service; fails if it can't be reached.
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
    type Version = FirestoreVersion;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, FirestoreVersion)>, PortError> {
        look_until_whole(|| self.look(key)).await
    }

    async fn store(
        &self,
        candle: &Candle,
        expected: Option<&FirestoreVersion>,
    ) -> Result<Stored, PortError> {
        let record = candle.to_record();
        let none = PieceList::default();
        let Some(changed) = record.changed(expected.map_or(&none, |version| &version.pieces))
        else {
            return Ok(Stored::TooLarge);
        };
        let fields = record.fields.iter().cloned();
        let document = Document {
            name: self.name(candle.key())?,
            fields: fields.map(|(name, field)| (name.to_owned(), value(field))).collect(),
            ..Document::default()
        };
        let precondition = match expected {
            None => FirestoreWritePrecondition::Exists(false),
            Some(version) => FirestoreWritePrecondition::UpdateTime(version.updated),
        };
        let written = if changed.is_empty() {
            let update = self.db.fluent().update().in_col(CANDLES).precondition(precondition);
            is_written("UpdateDocument", update.document(document).execute().await)?
        } else {
            self.commit(document, precondition, &changed).await?
        };
        Ok(if written { Stored::Written } else { Stored::Conflict })
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let select = self.db.fluent().select().from(CANDLES);
        let select = select.parent(self.parent(symbol, interval)?);
        let ordered = select.order(|order| order.fields([order.field("open_time_ms").asc()]));
        let documents = ordered.query().await.map_err(|e| port_error("RunQuery", &e))?;
        let mut candles = Vec::with_capacity(documents.len());
        for document in &documents {
            match stored(document, "RunQuery")? {
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

/// The result of an update with a precondition; `false`: it was not met, and nothing is written.
pub(crate) fn is_written<T>(
    operation: &'static str,
    updated: Result<T, FirestoreError>,
) -> Result<bool, PortError> {
    match updated {
        Ok(_) => Ok(true),
        Err(error) if lost(&error) => Ok(false),
        Err(error) => Err(port_error(operation, &error)),
    }
}

/// True if the compare-and-set failed. `ABORTED` is contention on one document: nothing was written.
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

fn stored(document: &Document, operation: &'static str) -> Result<record::Stored, PortError> {
    let fields: &HashMap<String, Value> = &document.fields;
    let field = |name: &str| match fields.get(name)?.value_type.as_ref()? {
        ValueType::StringValue(text) => Some(Field::Text(text.clone())),
        ValueType::IntegerValue(integer) => Some(Field::Integer(*integer)),
        ValueType::BytesValue(bytes) => Some(Field::Bytes(bytes.clone())),
        _ => None,
    };
    record::read(field).map_err(|e| PortError::new(SERVICE, operation, Fault::Corrupt, &e))
}
