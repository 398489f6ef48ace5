//! Items of the table of candles: strongly consistent reads, conditional puts, and the names of the items beside the
//! candles.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use pipeline::ports::{Fault, PortError};

use crate::error::port_error;

pub(crate) const SERVICE: &str = "dynamodb";
/// The partition of the incarnation id, and its attribute. Not a chart's: those contain a `#`.
pub(crate) const INCARNATION: &str = "birth";
pub(crate) const MARK: &str = "mark";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The key of an item that is alone in its partition.
pub(crate) fn alone(partition: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition.to_owned())),
        ("sk".to_owned(), AttributeValue::N("0".to_owned())),
    ])
}

/// The item of this key, if there is one.
pub(crate) async fn read(
    client: &Client,
    table: &str,
    key: Item,
) -> Result<Option<Item>, PortError> {
    let get = client.get_item().table_name(table).consistent_read(true).set_key(Some(key));
    Ok(get.send().await.map_err(|e| port_error(SERVICE, "GetItem", &e))?.item)
}

/// The text in an item.
pub(crate) fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// Puts an item; `false`: its condition was not met, or a transaction on it was in progress, and nothing is written.
pub(crate) async fn put_if(put: PutItemFluentBuilder) -> Result<bool, PortError> {
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(e)
                if e.is_conditional_check_failed_exception()
                    || e.is_transaction_conflict_exception() =>
            {
                Ok(false)
            }
            _ => Err(port_error(SERVICE, "PutItem", &error)),
        },
    }
}

/// Puts all items in one step, or none; `false`: a condition was not met, or another write of one of the items was in
/// progress, and nothing is written.
pub(crate) async fn put_all_if(client: &Client, puts: Vec<Put>) -> Result<bool, PortError> {
    const OPERATION: &str = "TransactWriteItems";
    let items = puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build());
    let sent = client.transact_write_items().set_transact_items(Some(items.collect())).send().await;
    let Err(error) = sent else { return Ok(true) };
    let end = error.as_service_error().map_or(End::Failed, end);
    match end {
        End::Lost => Ok(false),
        End::Failed => Err(port_error(SERVICE, OPERATION, &error)),
        End::MayPass => Err(PortError::new(SERVICE, OPERATION, Fault::Unknown, &error)),
    }
}

/// The outcome of a transaction that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Another writer was first.
    Lost,
    /// Too many calls, or this one is in progress already.
    MayPass,
    /// The text of the error.
    Failed,
}

fn end(error: &TransactWriteItemsError) -> End {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        let is_under_way = error.code() == Some("TransactionInProgressException");
        return if is_under_way { End::MayPass } else { End::Failed };
    };
    // One reason for each item, `None` for those without an error.
    let reasons = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    let reasons: Vec<&str> = reasons.filter(|code| *code != "None").collect();
    let any = |codes: &[&str]| reasons.iter().any(|reason| codes.contains(reason));
    if any(&["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied"]) {
        End::Failed
    } else if any(&["ConditionalCheckFailed", "TransactionConflict"]) {
        End::Lost
    } else if any(&["ThrottlingError", "ProvisionedThroughputExceeded"]) {
        End::MayPass
    } else {
        End::Failed
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;

    use super::*;

    #[test]
    fn a_lost_transaction_is_told_from_one_that_may_pass_and_one_that_can_not() {
        let canceled = |codes: &[&str]| {
            let reasons =
                codes.iter().map(|code| CancellationReason::builder().code(*code).build());
            let canceled = TransactionCanceledException::builder();
            let canceled = canceled.set_cancellation_reasons(Some(reasons.collect())).build();
            end(&TransactWriteItemsError::TransactionCanceledException(canceled))
        };
        assert_eq!(canceled(&["None", "ConditionalCheckFailed"]), End::Lost);
        assert_eq!(canceled(&["TransactionConflict", "None"]), End::Lost);
        assert_eq!(canceled(&["None", "ThrottlingError"]), End::MayPass);
        assert_eq!(canceled(&["ProvisionedThroughputExceeded", "None"]), End::MayPass);
        assert_eq!(canceled(&["None", "ValidationError"]), End::Failed);
        assert_eq!(canceled(&[]), End::Failed);
        let other = |code: &str| {
            let error = ErrorMetadata::builder().code(code).build();
            end(&TransactWriteItemsError::generic(error))
        };
        assert_eq!(other("TransactionInProgressException"), End::MayPass);
        assert_eq!(other("AccessDeniedException"), End::Failed);
    }
}
