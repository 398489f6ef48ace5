//! The queue in SQS: publishing for the producer, receiving for tools. The functions are fed by their event
//! source mapping and do not receive.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use pipeline::ports::{Fault, MessageId, PortError, Queue, Receipt, Received};
use tokio::sync::OnceCell;

use crate::error::{is_throttle, port_error};

const SERVICE: &str = "sqs";
/// Limits of one `SendMessageBatch`.
const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 256 * 1024;
/// Concurrent batches.
const CONCURRENCY: usize = 4;
const RECEIVE_WAIT_S: i32 = 1;

/// A queue by its URL or its name.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    name: String,
    url: Arc<OnceCell<String>>,
}

impl SqsQueue {
    /// The queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        let url = Arc::new(OnceCell::new_with(Some(url.into())));
        Self { client, name: String::new(), url }
    }

    /// The queue called `name` in the client's account and region. Connects lazily: the first use looks up its
    /// URL.
    pub fn named(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), url: Arc::default() }
    }

    async fn url(&self) -> Result<&str, PortError> {
        let ask = || async {
            let asked = self.client.get_queue_url().queue_name(&self.name).send().await;
            let url = asked.map_err(|e| port_error(SERVICE, "GetQueueUrl", &e))?.queue_url;
            url.ok_or_else(|| PortError {
                service: SERVICE,
                operation: "GetQueueUrl",
                fault: Fault::Corrupt,
                detail: format!("the answer has no URL for {}", self.name),
            })
        };
        self.url.get_or_try_init(ask).await.map(String::as_str)
    }

    async fn publish_batch(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let count = bodies.len();
        let url = match self.url().await {
            Ok(url) => url,
            Err(error) => return vec![Err(error); count],
        };
        let mut send = self.client.send_message_batch().queue_url(url);
        for (index, body) in bodies.into_iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
            match entry.message_body(body).build() {
                Ok(entry) => send = send.entries(entry),
                Err(error) => {
                    let error = PortError::new(SERVICE, "SendMessageBatch", Fault::Refused, &error);
                    return vec![Err(error); count];
                }
            }
        }
        let sent = match send.send().await {
            Ok(sent) => sent,
            Err(error) => return vec![Err(port_error(SERVICE, "SendMessageBatch", &error)); count],
        };
        let mut answers = vec![Err(unanswered()); count];
        for entry in sent.successful {
            if let Some(answer) = slot(&mut answers, &entry.id) {
                *answer = Ok(MessageId(entry.message_id));
            }
        }
        for entry in sent.failed {
            if let Some(answer) = slot(&mut answers, &entry.id) {
                // SQS calls a throttle the sender's fault, too.
                let is_final = entry.sender_fault && !is_throttle(&entry.code);
                let fault = if is_final { Fault::Refused } else { Fault::Unknown };
                let detail = format!("{}: {}", entry.code, entry.message.unwrap_or_default());
                let operation = "SendMessageBatch";
                *answer = Err(PortError { service: SERVICE, operation, fault, detail });
            }
        }
        answers
    }
}

impl Queue for SqsQueue {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        stream::iter(batches(bodies))
            .map(|batch| self.publish_batch(batch))
            .buffered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let max = i32::try_from(max.clamp(1, BATCH_MESSAGES)).unwrap_or(1);
        let receive = self.client.receive_message().queue_url(self.url().await?);
        let received =
            receive.max_number_of_messages(max).wait_time_seconds(RECEIVE_WAIT_S).send().await;
        let messages = received.map_err(|e| port_error(SERVICE, "ReceiveMessage", &e))?.messages;
        let complete = messages.unwrap_or_default().into_iter().filter_map(|message| {
            Some(Received {
                id: MessageId(message.message_id?),
                receipt: Receipt(message.receipt_handle?),
                body: Bytes::from(message.body.unwrap_or_default()),
            })
        });
        Ok(complete.collect())
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        let delete = self.client.delete_message().queue_url(self.url().await?);
        let deleted = delete.receipt_handle(&receipt.0).send().await;
        deleted.map(drop).map_err(|e| port_error(SERVICE, "DeleteMessage", &e))
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        let change = self.client.change_message_visibility().queue_url(self.url().await?);
        let changed = change.receipt_handle(&receipt.0).visibility_timeout(0).send().await;
        changed.map(drop).map_err(|e| port_error(SERVICE, "ChangeMessageVisibility", &e))
    }
}

/// Splits bodies into batches for one request each. A body over the limit goes alone, so that SQS refuses only
/// that one.
fn batches(bodies: Vec<String>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut batch_bytes = 0;
    for body in bodies {
        match batches.last_mut() {
            Some(batch)
                if batch.len() < BATCH_MESSAGES && batch_bytes + body.len() <= BATCH_BYTES =>
            {
                batch_bytes += body.len();
                batch.push(body);
            }
            _ => {
                batch_bytes = body.len();
                batches.push(vec![body]);
            }
        }
    }
    batches
}

fn slot<'a, T>(answers: &'a mut [T], entry_id: &str) -> Option<&'a mut T> {
    answers.get_mut(entry_id.parse::<usize>().ok()?)
}

fn unanswered() -> PortError {
    PortError {
        service: SERVICE,
        operation: "SendMessageBatch",
        fault: Fault::Unknown,
        detail: "the answer does not mention this entry".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::retry::RetryConfig;
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn sizes(bodies: &[usize]) -> Vec<Vec<usize>> {
        let bodies = bodies.iter().map(|bytes| "x".repeat(*bytes)).collect();
        batches(bodies).iter().map(|batch| batch.iter().map(String::len).collect()).collect()
    }

    #[test]
    fn a_batch_holds_ten_messages_and_256_kib() {
        assert_eq!(sizes(&[1; 23]), [vec![1; 10], vec![1; 10], vec![1; 3]]);
        assert_eq!(sizes(&[200_000, 60_000, 3_000]), [vec![200_000, 60_000], vec![3_000]]);
        assert_eq!(sizes(&[1, 400_000, 1]), [vec![1], vec![400_000], vec![1]]);
        assert!(sizes(&[]).is_empty());
    }

    /// The result of publishing three messages if SQS answers each request with this.
    async fn published(status: &str, headers: &str, answer: &str) -> Vec<PortError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{answer}",
            answer.len()
        );
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 16_384]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        });
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&url);
        let queue = SqsQueue::new(Client::from_conf(config.build()), format!("{url}/0/queue"));
        let bodies = (0..3).map(|n| n.to_string()).collect();
        let published = queue.publish(bodies).await;
        server.await.unwrap();
        published.into_iter().filter_map(Result::err).collect()
    }

    #[tokio::test]
    async fn a_throttled_entry_is_sent_again_whosever_fault_it_is_said_to_be() {
        let entry = |id: u8, code: &str| {
            format!(r#"{{"Id":"{id}","SenderFault":true,"Code":"{code}","Message":"m"}}"#)
        };
        let codes =
            ["RequestThrottled", "AWS.SimpleQueueService.KmsThrottled", "InvalidMessageContents"];
        let entries: Vec<_> = (0..).zip(codes).map(|(id, code)| entry(id, code)).collect();
        let answer = format!(r#"{{"Successful":[],"Failed":[{}]}}"#, entries.join(","));
        let failed = published("200 OK", "", &answer).await;
        let faults: Vec<_> = failed.iter().map(|error| error.fault).collect();
        assert_eq!(faults, [Fault::Unknown, Fault::Unknown, Fault::Refused], "{failed:?}");
    }

    #[tokio::test]
    async fn a_clock_that_is_off_is_said() {
        let answer = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired: 20200101T000000Z is now earlier than 20200101T010000Z"}"#;
        let date = "date: Wed, 01 Jan 2020 01:00:00 GMT\r\n";
        let failed = published("403 Forbidden", date, answer).await;
        assert_eq!(failed.len(), 3);
        let detail = &failed[0].detail;
        assert!(
            detail.contains("days ahead of AWS's") && detail.contains("set the clock"),
            "{detail}"
        );
    }
}
