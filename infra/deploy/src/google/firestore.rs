//! Deletes a collection with everything below it. Firestore has no call for that: documents are deleted, and
//! collections vanish with them.

use std::collections::VecDeque;

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;

use super::Error;
use super::error::CALL_TIMEOUT;
use super::http::{Http, send};

/// Documents deleted together; Firestore allows 500.
const BATCH: usize = 300;
/// The most levels of collections; a candle is at the second.
const DEPTH_MAX: usize = 8;
/// The token that the emulator accepts as an administrator's.
const OWNER: &str = "owner";

/// A database at an endpoint.
pub(super) struct Firestore {
    http: Http,
    project: String,
    database: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Documents {
    #[serde(default)]
    documents: Vec<Document>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collections {
    #[serde(default)]
    collection_ids: Vec<String>,
}

impl Firestore {
    pub(super) fn new(endpoint: &str, project: &str, database: &str) -> Result<Self, Error> {
        let http = Http::new(endpoint, CALL_TIMEOUT)?.with_token(OWNER);
        Ok(Self { http, project: project.to_owned(), database: database.to_owned() })
    }

    /// True if the collection has a document, at any level.
    pub(super) async fn has(&self, collection: &str) -> Result<bool, Error> {
        Ok(!self.documents(collection, None, 1).await?.documents.is_empty())
    }

    /// Deletes all documents of a collection, at all levels, and returns their number.
    pub(super) async fn delete(&self, collection: &str) -> Result<u64, Error> {
        let mut deleted = 0;
        let mut open = VecDeque::from([(collection.to_owned(), 0)]);
        while let Some((path, depth)) = open.pop_front() {
            if depth > DEPTH_MAX {
                return Err(Error::TooDeep { name: path, depth_max: DEPTH_MAX });
            }
            let mut next = None;
            loop {
                let page = self.documents(&path, next.as_deref(), BATCH).await?;
                for document in &page.documents {
                    let document = self.below_root(&document.name);
                    let below = self.collections(document).await?;
                    open.extend(
                        below.into_iter().map(|id| (format!("{document}/{id}"), depth + 1)),
                    );
                }
                deleted += self.delete_documents(&path, &page.documents).await?;
                next = page.next_page_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// A page of the documents of a collection, including those that only exist as parents of others.
    async fn documents(
        &self,
        collection: &str,
        next: Option<&str>,
        page_size: usize,
    ) -> Result<Documents, Error> {
        let request = self.request(Method::GET, collection, "")?.query(&[
            ("showMissing", "true"),
            ("mask.fieldPaths", "__name__"),
            ("pageSize", &page_size.to_string()),
            ("pageToken", next.unwrap_or_default()),
        ]);
        send(request, "list collection", collection).await?.good()?.json()
    }

    async fn collections(&self, document: &str) -> Result<Vec<String>, Error> {
        let request = self.request(Method::POST, document, ":listCollectionIds")?.json(&json!({}));
        let answer = send(request, "list collections of", document).await?.good()?;
        Ok(answer.json::<Collections>()?.collection_ids)
    }

    /// Deletes documents; deleting one that only exists as a parent does nothing.
    async fn delete_documents(&self, path: &str, documents: &[Document]) -> Result<u64, Error> {
        if documents.is_empty() {
            return Ok(0);
        }
        let writes: Vec<_> =
            documents.iter().map(|document| json!({"delete": document.name})).collect();
        let request = self.request(Method::POST, "", ":batchWrite")?;
        let request = request.json(&json!({ "writes": writes }));
        send(request, "delete documents of", path).await?.good()?;
        Ok(documents.len() as u64)
    }

    /// A request to a path below the database's root; `verb` is a colon and a word, or empty.
    fn request(&self, method: Method, path: &str, verb: &str) -> Result<RequestBuilder, Error> {
        let root = self.root();
        let mut segments: Vec<&str> = root.split('/').collect();
        segments.extend(path.split('/').filter(|segment| !segment.is_empty()));
        let last = segments.pop().unwrap_or_default();
        let last = format!("{last}{verb}");
        self.http.request(method, ["v1"].into_iter().chain(segments).chain([last.as_str()]))
    }

    fn root(&self) -> String {
        format!("projects/{}/databases/{}/documents", self.project, self.database)
    }

    fn below_root<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.root()).unwrap_or(name).trim_start_matches('/')
    }
}
