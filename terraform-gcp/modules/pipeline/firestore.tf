resource "google_firestore_database" "candles" {
  project     = var.project
  name        = var.database
  location_id = coalesce(var.database_location, var.region)
  type        = "FIRESTORE_NATIVE"

  # A candle is written with a precondition, never in a transaction.
  concurrency_mode            = "OPTIMISTIC"
  app_engine_integration_mode = "DISABLED"

  delete_protection_state           = var.delete_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  point_in_time_recovery_enablement = var.point_in_time_recovery ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"

  # Destroy means destroy; the protection above is what stands before it.
  deletion_policy = "DELETE"

  depends_on = [google_project_service.api]
}

locals {
  # The collections below a chart and below a candle with many holes; the functions write to these names
  # (functions/gcp/src/store.rs).
  candles_collection = "candles"
  pieces_collection  = "pieces"
}

# A candle's set of trade ids is bytes that nobody searches for: without its two indexes a write costs less. There are
# no composite indexes: a chart is a collection, read in the order of one field.
resource "google_firestore_field" "ids" {
  project    = var.project
  database   = google_firestore_database.candles.name
  collection = local.candles_collection
  field      = "ids"

  # Empty: no index at all.
  index_config {}
}

# The same for the pieces in which a candle with many holes keeps its ids.
resource "google_firestore_field" "pieces" {
  project    = var.project
  database   = google_firestore_database.candles.name
  collection = local.pieces_collection
  field      = "ids"

  # Empty: no index at all.
  index_config {}
}
