# One account a duty. None has a key.

resource "google_service_account" "ingest" {
  account_id   = "${var.short_name}-ingest"
  display_name = "${var.name}: ingest service"
  description  = "Writes the raw archive and the candles."

  depends_on = [google_project_service.api]
}

resource "google_service_account" "replicate" {
  account_id   = "${var.short_name}-replicate"
  display_name = "${var.name}: replicate service"
  description  = "Reads the peer, writes the raw archive and the candles. AWS knows it by its unique id."

  depends_on = [google_project_service.api]
}

resource "google_service_account" "push" {
  account_id   = "${var.short_name}-push"
  display_name = "${var.name}: Pub/Sub push"
  description  = "Calls the ingest service, and nothing else."

  depends_on = [google_project_service.api]
}

resource "google_service_account" "schedule" {
  account_id   = "${var.short_name}-schedule"
  display_name = "${var.name}: schedule"
  description  = "Calls the replicate service, and nothing else."

  depends_on = [google_project_service.api]
}

locals {
  writers = {
    ingest    = google_service_account.ingest.member
    replicate = google_service_account.replicate.member
  }
}

# Read and write documents. roles/datastore.user could also delete them.
resource "google_project_iam_custom_role" "candles" {
  role_id     = "${local.role_prefix}_candles${local.role_suffix}"
  title       = "${var.name}: write candles"
  description = "Reads and writes candles; deletes none."
  permissions = [
    "datastore.databases.get",
    "datastore.entities.create",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.entities.update",
  ]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "candles" {
  for_each = local.writers

  project = var.project
  role    = google_project_iam_custom_role.candles.id
  member  = each.value

  # Firestore has no policy of its own: the condition holds the grant to one database.
  condition {
    title      = "one-database"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }
}

# To create is all that an archive of immutable objects needs: to overwrite is to delete.
resource "google_storage_bucket_iam_member" "create" {
  for_each = local.writers

  bucket = google_storage_bucket.archive.name
  role   = "roles/storage.objectCreator"
  member = each.value
}

# What is missing here is found by a listing. The ingest service looks at no object.
resource "google_storage_bucket_iam_member" "view" {
  for_each = { replicate = google_service_account.replicate.member }

  bucket = google_storage_bucket.archive.name
  role   = "roles/storage.objectViewer"
  member = each.value
}

# What a producer needs beside the topic: the document of the latest routing override. Firestore grants no less than a database.
resource "google_project_iam_custom_role" "orders" {
  count = length(var.publishers) > 0 ? 1 : 0

  role_id     = "${local.role_prefix}_orders${local.role_suffix}"
  title       = "${var.name}: read orders"
  description = "Reads a document by its name; lists and writes none."
  permissions = ["datastore.databases.get", "datastore.entities.get"]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "orders" {
  for_each = var.publishers

  project = var.project
  role    = google_project_iam_custom_role.orders[0].id
  member  = each.value

  condition {
    title      = "one-database"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }
}
