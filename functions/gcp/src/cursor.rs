//! The cursor of replication: a document beside the charts.

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use firestore::{FirestoreDb, FirestoreWritePrecondition};
use pipeline::ports::{Cursor, PortError};

use crate::override_store::{INCARNATION, MARK, text};
use crate::store::{self, FirestoreStore};

/// Not a chart's document: those contain a `_`.
const DOCUMENT: &str = "replicate-cursor";
const PLACE: &str = "place";

/// A cursor in a collection of charts.
#[derive(Clone, Debug)]
pub struct FirestoreCursor {
    db: FirestoreDb,
    collection: String,
    document: String,
}

impl FirestoreCursor {
    /// The cursor beside the charts of `store`.
    #[must_use]
    pub fn beside(store: &FirestoreStore) -> Self {
        let (db, collection) = store.place();
        Self { db: db.clone(), collection: collection.to_owned(), document: DOCUMENT.to_owned() }
    }

    /// The cursor for the peer of this name, one of several.
    #[must_use]
    pub fn for_peer(mut self, peer: &str) -> Self {
        self.document = format!("{DOCUMENT}-{peer}");
        self
    }

    /// A document with one text field.
    fn document(&self, id: &str, field: &str, text: &str) -> Document {
        let text = Value { value_type: Some(ValueType::StringValue(text.to_owned())) };
        let name = format!("{}/{}/{id}", self.db.get_documents_path(), self.collection);
        Document { name, fields: [(field.to_owned(), text)].into(), ..Document::default() }
    }
}

impl Cursor for FirestoreCursor {
    async fn load(&self) -> Result<Option<String>, PortError> {
        let select = self.db.fluent().select().by_id_in(&self.collection);
        let document = select.one(&self.document).await.map_err(|e| failed("GetDocument", &e))?;
        Ok(document.and_then(|document| text(&document, PLACE)))
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let document = self.document(&self.document, PLACE, text);
        let update = self.db.fluent().update().in_col(&self.collection).document(document);
        update.execute().await.map(drop).map_err(|e| failed("UpdateDocument", &e))
    }

    async fn ensure_incarnation(&self, mark: &str) -> Result<(), PortError> {
        let update = self.db.fluent().update().in_col(&self.collection);
        let update = update.precondition(FirestoreWritePrecondition::Exists(false));
        let updated = update.document(self.document(INCARNATION, MARK, mark)).execute().await;
        store::is_written("UpdateDocument", updated).map(drop)
    }
}

fn failed(operation: &'static str, error: &FirestoreError) -> PortError {
    store::port_error(operation, error)
}
