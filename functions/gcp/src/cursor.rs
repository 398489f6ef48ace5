//! The cursor of replication: a document beside the charts.

use firestore::FirestoreDb;
use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use pipeline::ports::{Cursor, PortError};

use crate::store::{self, FirestoreStore};

/// No chart's: those have a `_` in it.
const DOCUMENT: &str = "replicate-cursor";
const PLACE: &str = "place";

/// A cursor in a collection of charts.
#[derive(Clone, Debug)]
pub struct FirestoreCursor {
    db: FirestoreDb,
    collection: String,
}

impl FirestoreCursor {
    /// The cursor beside the charts of `store`.
    #[must_use]
    pub fn beside(store: &FirestoreStore) -> Self {
        let (db, collection) = store.place();
        Self { db: db.clone(), collection: collection.to_owned() }
    }
}

impl Cursor for FirestoreCursor {
    async fn load(&self) -> Result<Option<String>, PortError> {
        let select = self.db.fluent().select().by_id_in(&self.collection);
        let document = select.one(DOCUMENT).await.map_err(|e| failed("GetDocument", &e))?;
        let place = document.and_then(|mut document| document.fields.remove(PLACE)?.value_type);
        Ok(match place {
            Some(ValueType::StringValue(text)) => Some(text),
            _ => None,
        })
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let text = Value { value_type: Some(ValueType::StringValue(text.to_owned())) };
        let name = format!("{}/{}/{DOCUMENT}", self.db.get_documents_path(), self.collection);
        let fields = [(PLACE.to_owned(), text)].into();
        let document = Document { name, fields, ..Document::default() };
        let update = self.db.fluent().update().in_col(&self.collection).document(document);
        update.execute().await.map(drop).map_err(|e| failed("UpdateDocument", &e))
    }
}

fn failed(operation: &'static str, error: &FirestoreError) -> PortError {
    store::port_error(operation, error)
}
