//! S3's operations, from HTTP method, path and query. Buckets are in the path, as with emulators.

use std::collections::BTreeMap;

use http::Method;

/// Subresources of a bucket or an object, which the query names.
const PARTS: [(&str, &str); 17] = [
    ("acl", "Acl"),
    ("cors", "Cors"),
    ("encryption", "Encryption"),
    ("legal-hold", "LegalHold"),
    ("lifecycle", "LifecycleConfiguration"),
    ("location", "Location"),
    ("logging", "Logging"),
    ("notification", "NotificationConfiguration"),
    ("object-lock", "LockConfiguration"),
    ("ownershipControls", "OwnershipControls"),
    ("policy", "Policy"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "Replication"),
    ("retention", "Retention"),
    ("tagging", "Tagging"),
    ("versioning", "Versioning"),
    ("website", "Website"),
];

/// The operation, such as `PutObject`.
pub(super) fn operation(
    method: &Method,
    path: &str,
    query: &BTreeMap<String, String>,
    copies: bool,
) -> String {
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let has = |name: &str| query.contains_key(name);
    let object = !key.is_empty();
    let part = PARTS.iter().find(|(name, _)| has(name)).map(|(_, part)| *part);
    if let Some(part) = part {
        let (verb, of) = (verb(method), if object { "Object" } else { "Bucket" });
        return match (part, object) {
            ("PublicAccessBlock", _) => format!("{verb}{part}"),
            ("LockConfiguration", false) => format!("{verb}Object{part}"),
            _ => format!("{verb}{of}{part}"),
        };
    }
    let name = match (method.as_str(), object) {
        ("GET", false) if bucket.is_empty() => "ListBuckets",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if has("versions") => "ListObjectVersions",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        ("GET", false) => "ListObjects",
        ("HEAD", false) => "HeadBucket",
        ("PUT", false) => "CreateBucket",
        ("DELETE", false) => "DeleteBucket",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) if has("attributes") => "GetObjectAttributes",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("PUT", true) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", true) if has("uploadId") => "UploadPart",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("POST", true) if has("restore") => "RestoreObject",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        (other, _) => other,
    };
    name.to_owned()
}

fn verb(method: &Method) -> &'static str {
    match method.as_str() {
        "PUT" => "Put",
        "DELETE" => "Delete",
        _ => "Get",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_the_names_of_the_api() {
        let name = |method: &str, path: &str, query: &[&str], copies| {
            let query = query.iter().map(|name| ((*name).to_owned(), String::new())).collect();
            operation(&method.parse().unwrap(), path, &query, copies)
        };
        assert_eq!(name("GET", "/", &[], false), "ListBuckets");
        assert_eq!(name("GET", "/b", &["list-type"], false), "ListObjectsV2");
        assert_eq!(name("PUT", "/b/", &[], false), "CreateBucket");
        assert_eq!(name("PUT", "/b", &["versioning"], false), "PutBucketVersioning");
        assert_eq!(name("GET", "/b", &["object-lock"], false), "GetObjectLockConfiguration");
        assert_eq!(name("DELETE", "/b/k", &["tagging"], false), "DeleteObjectTagging");
        assert_eq!(name("PUT", "/b/a/b", &["partNumber", "uploadId"], false), "UploadPart");
        assert_eq!(name("PUT", "/b/a", &[], true), "CopyObject");
        assert_eq!(name("HEAD", "/b/a", &[], false), "HeadObject");
    }
}
