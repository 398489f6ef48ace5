//! The suite of the ports, which the memory cloud passes too, on both clouds' emulators.

use cloud_aws::{DynamoCursor, DynamoOverrideStore};
use cloud_gcp::{FirestoreCursor, FirestoreOverrideStore};

use crate::on_emulators::deployed;

#[tokio::test(flavor = "multi_thread")]
async fn both_clouds_keep_the_contract_of_every_port() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clouds = Box::pin(deployed(folder.path())).await;
    let (aws, gcp) = (&clouds.aws, &clouds.gcp);
    let cursors = (DynamoCursor::beside(&aws.store), FirestoreCursor::beside(&gcp.store));
    let registers =
        (DynamoOverrideStore::beside(&aws.store), FirestoreOverrideStore::beside(&gcp.store));
    let symbol = "CONFORM".parse().expect("a symbol");
    let holes = "HOLES".parse().expect("a symbol");
    tokio::join!(
        conformance::archive(&aws.archive, "aws"),
        conformance::archive(&gcp.archive, "gcp"),
        conformance::store(&aws.store, &symbol),
        conformance::store(&gcp.store, &symbol),
        conformance::holes(&aws.store, &holes),
        conformance::holes(&gcp.store, &holes),
        conformance::cursor(&cursors.0),
        conformance::cursor(&cursors.1),
        conformance::incarnation(&cursors.0, &registers.0),
        conformance::incarnation(&cursors.1, &registers.1),
        conformance::register(&registers.0),
        conformance::register(&registers.1),
        // The queue of trades has the function as its receiver; that of dead letters has none.
        conformance::queue(&aws.dead_letters),
        conformance::queue(&gcp.dead_letters),
    );
    clouds.stop().await.expect("stop");
}
