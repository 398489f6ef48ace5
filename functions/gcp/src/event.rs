//! The envelopes in which Google delivers a Pub/Sub message over HTTP.
//!
//! | envelope | recognised by | the message is at |
//! |---|---|---|
//! | Pub/Sub push, wrapped | a body with `message` | `message` |
//! | `CloudEvents`, binary mode (Eventarc) | header `ce-specversion` | `message` |
//! | `CloudEvents`, structured mode | `Content-Type: application/cloudevents+json` | `data.message` |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// One message, taken out of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Pub/Sub's id of the message, the same in every delivery.
    pub message_id: String,
    /// The published bytes.
    pub body: Vec<u8>,
}

/// Opens an envelope; `content_type` is the request's, `cloudevents_binary` is true if it has a
/// `ce-specversion`.
pub fn open(
    content_type: Option<&str>,
    cloudevents_binary: bool,
    body: &[u8],
) -> Result<Delivered, EnvelopeError> {
    let structured = content_type.is_some_and(|t| t.starts_with("application/cloudevents+json"));
    let message = if structured && !cloudevents_binary {
        serde_json::from_slice::<Structured>(body).map(|event| event.data.message)
    } else {
        serde_json::from_slice::<Push>(body).map(|push| push.message)
    };
    let message = message.map_err(EnvelopeError::Json)?;
    let message_id =
        message.camel_case_id.or(message.snake_case_id).ok_or(EnvelopeError::NoMessageId)?;
    let body = STANDARD.decode(message.data).map_err(EnvelopeError::Base64)?;
    Ok(Delivered { message_id, body })
}

#[derive(Deserialize)]
struct Structured {
    data: Push,
}

#[derive(Deserialize)]
struct Push {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    /// Absent in a message that has only attributes.
    #[serde(default)]
    data: String,
    /// Pub/Sub sends the id under both names, some emulators under one.
    #[serde(rename = "messageId")]
    camel_case_id: Option<String>,
    #[serde(rename = "message_id")]
    snake_case_id: Option<String>,
}

/// A request that does not deliver a message.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// None of the three envelopes.
    #[error("read the request as a Pub/Sub push or a CloudEvent: {0}")]
    Json(serde_json::Error),
    /// A message without an id.
    #[error("the message has no messageId")]
    NoMessageId,
    /// An envelope whose data is not a message.
    #[error("read message.data as base64: {0}")]
    Base64(base64::DecodeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"data":"eyJ2IjoxfQ==","messageId":"17","message_id":"17","publishTime":"2026-01-01T00:00:00Z","publish_time":"2026-01-01T00:00:00Z","attributes":{"a":"b"}}"#;

    fn delivered() -> Delivered {
        Delivered { message_id: "17".to_owned(), body: br#"{"v":1}"#.to_vec() }
    }

    #[test]
    fn opens_a_wrapped_push() {
        let body =
            format!(r#"{{"message":{MESSAGE},"subscription":"projects/p/subscriptions/s"}}"#);
        assert_eq!(open(Some("application/json"), false, body.as_bytes()).unwrap(), delivered());
        assert_eq!(open(None, false, body.as_bytes()).unwrap(), delivered());
    }

    #[test]
    fn opens_cloudevents_in_both_modes() {
        let push =
            format!(r#"{{"message":{MESSAGE},"subscription":"projects/p/subscriptions/s"}}"#);
        assert_eq!(open(Some("application/json"), true, push.as_bytes()).unwrap(), delivered());
        let event = format!(
            r#"{{"specversion":"1.0","id":"1","source":"//pubsub.googleapis.com/projects/p/topics/t",
               "type":"google.cloud.pubsub.topic.v1.messagePublished","data":{push}}}"#
        );
        let content_type = Some("application/cloudevents+json; charset=utf-8");
        assert_eq!(open(content_type, false, event.as_bytes()).unwrap(), delivered());
    }

    #[test]
    fn says_what_is_wrong_with_anything_else() {
        let error = |body: &str| open(None, false, body.as_bytes()).unwrap_err().to_string();
        assert!(error("nonsense").starts_with("read the request as a Pub/Sub push"));
        assert!(error(r#"{"message":{"data":"eyJ2IjoxfQ=="}}"#).contains("messageId"));
        assert!(error(r#"{"message":{"data":"%%","messageId":"1"}}"#).contains("base64"));
    }
}
