# The raw archive: every trade as it came, the log from which all candles can be made again.
resource "google_storage_bucket" "archive" {
  #checkov:skip=CKV_GCP_62:Who reads public market data isn't worth a log; Cloud Audit Logs hold who changes the bucket
  name          = var.bucket
  location      = coalesce(var.bucket_location, var.region)
  storage_class = "STANDARD"
  labels        = var.labels
  force_destroy = var.bucket_force_destroy

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 60 * 60
  }

  # Objects are read again only in a recovery. Live ones are never deleted.
  dynamic "lifecycle_rule" {
    for_each = {
      NEARLINE = var.nearline_days
      COLDLINE = var.coldline_days
      ARCHIVE  = var.archive_days
    }
    content {
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }
      condition {
        age        = lifecycle_rule.value
        with_state = "LIVE"
      }
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  depends_on = [google_project_service.api]
}
