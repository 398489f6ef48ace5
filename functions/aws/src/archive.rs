//! The archive in S3: put-if-absent is `If-None-Match: *`.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use pipeline::ports::{Archive, Fault, Incoming, PortError, Put};

use crate::error::port_error;

const SERVICE: &str = "s3";
/// S3 answers 409 to one of two concurrent conditional puts, which must then be retried.
const CONFLICT_TRIES: u32 = 5;

/// Objects in a bucket.
#[derive(Clone, Debug)]
pub struct S3Archive {
    client: Client,
    bucket: String,
}

impl S3Archive {
    /// The archive in `bucket`.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    async fn try_put(&self, name: &str, bytes: Bytes) -> Result<TriedPut, PortError> {
        let put = self.client.put_object().bucket(&self.bucket).key(name).if_none_match("*");
        let Err(error) = put.body(ByteStream::from(bytes)).send().await else {
            return Ok(TriedPut::Done(Put::Created));
        };
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(412) => Ok(TriedPut::Done(Put::Present)),
            Some(409) => Ok(TriedPut::Conflict(port_error(SERVICE, "PutObject", &error))),
            _ => Err(port_error(SERVICE, "PutObject", &error)),
        }
    }
}

enum TriedPut {
    Done(Put),
    Conflict(PortError),
}

impl Archive for S3Archive {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_put(name, bytes.clone()).await? {
                TriedPut::Done(put) => return Ok(put),
                TriedPut::Conflict(_) if tries < CONFLICT_TRIES => {}
                TriedPut::Conflict(error) => {
                    return Err(PortError { fault: Fault::Unknown, ..error });
                }
            }
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let mut object = match self.client.get_object().bucket(&self.bucket).key(name).send().await
        {
            Ok(object) => object,
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key,
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(port_error(SERVICE, "GetObject", &error)),
        };
        let announced = object.content_length.and_then(|length| u64::try_from(length).ok());
        let mut content = Incoming::new(SERVICE, "GetObject", announced)?;
        while let Some(chunk) = object.body.next().await {
            let chunk =
                chunk.map_err(|e| PortError::new(SERVICE, "GetObject", Fault::Unknown, &e))?;
            content.push(&chunk)?;
        }
        Ok(Some(content.whole()))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        let folder = format!("{}/", prefix.trim_end_matches('/'));
        let mut names: Vec<String> = Vec::new();
        loop {
            let missing = i32::try_from(limit - names.len()).unwrap_or(i32::MAX);
            let last = names.last().map(String::as_str).or(after).map(ToOwned::to_owned);
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&folder);
            let page = list.set_start_after(last).max_keys(missing).send().await;
            let page = page.map_err(|e| port_error(SERVICE, "ListObjectsV2", &e))?;
            let truncated = page.is_truncated.unwrap_or_default();
            names.extend(page.contents.unwrap_or_default().into_iter().filter_map(|o| o.key));
            if !truncated || names.len() >= limit {
                return Ok(names);
            }
        }
    }
}
