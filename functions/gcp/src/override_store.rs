//! The latest routing override and the incarnation id: documents beside the charts.

use std::sync::Arc;

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use firestore::{FirestoreDb, FirestoreInstant, FirestoreWritePrecondition, timestamp_utils};
use pipeline::ports::{Fault, PortError};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};
use tokio::sync::OnceCell;

use crate::store::{self, FirestoreStore};

const SERVICE: &str = "firestore";
/// Not a chart's document: those contain a `_`.
const DOCUMENT: &str = "failover-order";
/// The document of the incarnation id, and its field. Not a chart's, either.
pub(crate) const INCARNATION: &str = "birth";
pub(crate) const MARK: &str = "mark";
const EPOCH: &str = "epoch";
const TO: &str = "to";
const BY: &str = "by";
const AT: &str = "at_ms";

/// An override store in a collection of charts.
#[derive(Clone, Debug)]
pub struct FirestoreOverrideStore {
    endpoint: Option<String>,
    project: String,
    database: String,
    collection: String,
    db: Arc<OnceCell<FirestoreDb>>,
}

impl FirestoreOverrideStore {
    /// The override store in `collection`, at an emulator's `endpoint` or at the real service. Connects
    /// lazily, at the first use.
    #[must_use]
    pub fn new(endpoint: Option<&str>, project: &str, database: &str, collection: &str) -> Self {
        Self {
            endpoint: endpoint.map(str::to_owned),
            project: project.to_owned(),
            database: database.to_owned(),
            collection: collection.to_owned(),
            db: Arc::default(),
        }
    }

    /// The override store beside the charts of `store`.
    #[must_use]
    pub fn beside(store: &FirestoreStore) -> Self {
        let (db, collection) = store.place();
        let register = Self::new(None, "", "", collection);
        Self { db: Arc::new(OnceCell::new_with(Some(db.clone()))), ..register }
    }

    async fn db(&self) -> Result<&FirestoreDb, PortError> {
        let connect = || async {
            let endpoint = self.endpoint.as_deref();
            store::connect(endpoint, &self.project, &self.database).await
        };
        let connected = self.db.get_or_try_init(connect).await;
        connected.map_err(|e| PortError::new(SERVICE, "connect", Fault::Unknown, &e))
    }

    async fn find(
        &self,
        db: &FirestoreDb,
    ) -> Result<Option<(RoutingOverride, FirestoreInstant)>, PortError> {
        let select = db.fluent().select().by_id_in(&self.collection);
        let document = select.one(DOCUMENT).await.map_err(|e| failed("GetDocument", &e))?;
        let Some(document) = document else { return Ok(None) };
        let time = document.update_time.map(timestamp_utils::from_timestamp);
        match (order(&document), time) {
            (Some(order), Some(Ok(time))) => Ok(Some((order, time))),
            _ => Err(PortError {
                service: SERVICE,
                operation: "GetDocument",
                fault: Fault::Corrupt,
                detail: format!(
                    "the document {DOCUMENT} is no order; delete it, and give the order again"
                ),
            }),
        }
    }
}

impl OverrideStore for FirestoreOverrideStore {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        Ok(self.find(self.db().await?).await?.map(|(order, _)| order))
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        let db = self.db().await?;
        let found = self.find(db).await?;
        if found.as_ref().map(|(order, _)| order) != expected {
            return Ok(false);
        }
        let precondition = match found {
            None => FirestoreWritePrecondition::Exists(false),
            Some((_, time)) => FirestoreWritePrecondition::UpdateTime(time),
        };
        let name = format!("{}/{}/{DOCUMENT}", db.get_documents_path(), self.collection);
        let fields = fields(order).into_iter();
        let fields =
            fields.map(|(name, value)| (name.to_owned(), Value { value_type: Some(value) }));
        let document = Document { name, fields: fields.collect(), ..Document::default() };
        let update = db.fluent().update().in_col(&self.collection).precondition(precondition);
        store::is_written("UpdateDocument", update.document(document).execute().await)
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        let select = self.db().await?.fluent().select().by_id_in(&self.collection);
        let document = select.one(INCARNATION).await.map_err(|e| failed("GetDocument", &e))?;
        Ok(document.and_then(|document| text(&document, MARK)))
    }
}

pub(crate) fn text(document: &Document, name: &str) -> Option<String> {
    match document.fields.get(name)?.value_type.as_ref()? {
        ValueType::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn failed(operation: &'static str, error: &FirestoreError) -> PortError {
    store::port_error(operation, error)
}

fn fields(order: &RoutingOverride) -> Vec<(&'static str, ValueType)> {
    // Firestore has no unsigned integers.
    let number = |number: u64| ValueType::StringValue(number.to_string());
    let mut fields = vec![
        (EPOCH, number(order.epoch)),
        (BY, ValueType::StringValue(order.by.clone())),
        (AT, number(order.at_ms)),
    ];
    fields.extend(order.to.as_ref().map(|to| (TO, ValueType::StringValue(to.clone()))));
    fields
}

fn order(document: &Document) -> Option<RoutingOverride> {
    let text = |name: &str| text(document, name);
    let number = |name: &str| text(name)?.parse().ok();
    Some(RoutingOverride { epoch: number(EPOCH)?, to: text(TO), by: text(BY)?, at_ms: number(AT)? })
}
