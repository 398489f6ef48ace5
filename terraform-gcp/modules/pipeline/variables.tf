variable "project" {
  description = "The Google Cloud project's id."
  type        = string
}

variable "region" {
  description = "Where everything lies that has a region."
  type        = string
}

variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "short_name" {
  description = "The same in at most 19 characters, for ids of accounts: name, if it is short enough."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.short_name))
    error_message = "short_name must be 3 to 19 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
}

variable "role_suffix" {
  description = "Ends the ids of custom roles. Null: nothing does. The id of a deleted role is taken for up to 44 days: name a suffix, or undelete the role in the first 7."
  type        = string
  default     = null
}

variable "topic" {
  description = "The topic of trades."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", var.topic)) && !startswith(var.topic, "goog")
    error_message = "topic must be 3 to 255 characters, a letter first, and not start with goog."
  }
}

variable "subscription" {
  description = "The push subscription to the ingest service."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", var.subscription)) && !startswith(var.subscription, "goog")
    error_message = "subscription must be 3 to 255 characters, a letter first, and not start with goog."
  }
}

variable "dead_letter_topic" {
  description = "The topic of messages that can't be processed."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", var.dead_letter_topic)) && !startswith(var.dead_letter_topic, "goog")
    error_message = "dead_letter_topic must be 3 to 255 characters, a letter first, and not start with goog."
  }
  validation {
    condition     = var.dead_letter_topic != var.topic
    error_message = "dead_letter_topic must not be the topic itself."
  }
}

variable "dead_letter_subscription" {
  description = "The pull subscription that keeps the dead letters."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$", var.dead_letter_subscription)) && !startswith(var.dead_letter_subscription, "goog")
    error_message = "dead_letter_subscription must be 3 to 255 characters, a letter first, and not start with goog."
  }
  validation {
    condition     = var.dead_letter_subscription != var.subscription
    error_message = "dead_letter_subscription must not be the subscription itself."
  }
}

variable "ack_deadline_s" {
  description = "How long the ingest service may take for one message."
  type        = number

  validation {
    condition     = var.ack_deadline_s >= 10 && var.ack_deadline_s <= 600
    error_message = "ack_deadline_s must be 10 to 600."
  }
}

variable "max_delivery_attempts" {
  description = "Deliveries before a message is a dead letter."
  type        = number

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts must be 5 to 100."
  }
}

variable "min_backoff_ms" {
  description = "Shortest pause before a redelivery."
  type        = number

  validation {
    condition     = var.min_backoff_ms >= 0 && var.min_backoff_ms <= 600000
    error_message = "min_backoff_ms must be 0 to 600000."
  }
}

variable "max_backoff_ms" {
  description = "Longest pause before a redelivery. 0: no retry policy, redeliver at once."
  type        = number

  validation {
    condition     = var.max_backoff_ms >= 0 && var.max_backoff_ms <= 600000
    error_message = "max_backoff_ms must be 0 to 600000."
  }
  validation {
    condition     = var.max_backoff_ms >= var.min_backoff_ms
    error_message = "max_backoff_ms must not be less than min_backoff_ms."
  }
}

variable "retention_s" {
  description = "How long both subscriptions keep a message."
  type        = number

  validation {
    condition     = var.retention_s >= 600 && var.retention_s <= 2678400
    error_message = "retention_s must be 600 (10 minutes) to 2678400 (31 days)."
  }
}

variable "publishers" {
  description = "Producers: members that may publish trades and read routing overrides, such as serviceAccount:producer@PROJECT.iam.gserviceaccount.com, each by a key of your choice."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for member in values(var.publishers) : can(regex("^(serviceAccount|user|group|principal|principalSet):.+$", member))])
    error_message = "publishers must be IAM members that name somebody: serviceAccount:, user:, group:, principal: or principalSet:."
  }
}

variable "operators" {
  description = "Operators: IAM members that may watch, repair and switch over the pipeline (sync, dlq, failover, restore)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(serviceAccount|user|group|principal|principalSet):.+$", member))])
    error_message = "operators must be IAM members of a name: serviceAccount:, user:, group:, principal: or principalSet:."
  }
}

variable "game_day_operators" {
  description = "IAM members that may also close the topic and take the push away, for a game day; name them among operators, too."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.game_day_operators : contains(var.operators, member)])
    error_message = "game_day_operators must be among operators."
  }
}

variable "database" {
  description = "The Firestore database. `(default)` is the one that is free within limits; a project may have it already, see the README."
  type        = string
  default     = "(default)"

  validation {
    condition     = var.database == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "database must be (default), or 4 to 63 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "database_location" {
  description = "A region, or a multi-region such as nam5. Null: the region. Can't be changed later."
  type        = string
  default     = null
}

variable "delete_protection" {
  description = "Whether the database refuses to be deleted. Turn it off, apply, and only then destroy."
  type        = bool
  default     = true
}

variable "point_in_time_recovery" {
  description = "Whether the database can be read as it was at any minute of the last 7 days."
  type        = bool
  default     = true
}

variable "bucket" {
  description = "The raw archive's bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket)) && !startswith(var.bucket, "goog") && !strcontains(var.bucket, "google")
    error_message = "bucket must be 3 to 63 of a-z, 0-9, dots, dashes and underscores, without `google` in it."
  }
}

variable "bucket_location" {
  description = "A region, or a multi-region such as US. Null: the region. Can't be changed later."
  type        = string
  default     = null
}

variable "bucket_force_destroy" {
  description = "Whether destroying the bucket deletes what is in it. Without it, a bucket that holds an object stays."
  type        = bool
  default     = false
}

variable "nearline_days" {
  description = "Age at which an object moves to Nearline."
  type        = number
  default     = 30

  validation {
    condition     = var.nearline_days >= 1
    error_message = "nearline_days must be at least 1."
  }
}

variable "coldline_days" {
  description = "Age at which an object moves to Coldline."
  type        = number
  default     = 90

  validation {
    condition     = var.coldline_days > var.nearline_days
    error_message = "coldline_days must be more than nearline_days."
  }
}

variable "archive_days" {
  description = "Age at which an object moves to Archive."
  type        = number
  default     = 365

  validation {
    condition     = var.archive_days > var.coldline_days
    error_message = "archive_days must be more than coldline_days."
  }
}

variable "noncurrent_days" {
  description = "How long an overwritten or deleted object can be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 7
    error_message = "noncurrent_days must be at least 7."
  }
}

variable "image_repository" {
  description = "The Artifact Registry repository of images. Null: name."
  type        = string
  default     = null

  validation {
    condition     = var.image_repository == null || can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.image_repository))
    error_message = "image_repository must be up to 63 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "ingest_service" {
  description = "The Cloud Run service that ingests."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$", var.ingest_service))
    error_message = "ingest_service must be up to 49 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "ingest_image" {
  description = "Image of the ingest service, by digest: HOST/PATH@sha256:DIGEST. Null: not built yet; then there is no service, and the subscription keeps what comes."
  type        = string
  default     = null

  validation {
    condition     = var.ingest_image == null || can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$", var.ingest_image))
    error_message = "ingest_image must be given by digest, HOST/PATH@sha256:DIGEST, not by a tag."
  }
}

variable "ingest_concurrency" {
  description = "Requests that one instance of the ingest service takes at once."
  type        = number

  validation {
    condition     = var.ingest_concurrency >= 1 && var.ingest_concurrency <= 1000
    error_message = "ingest_concurrency must be 1 to 1000."
  }
}

variable "ingest_min_instances" {
  description = "Instances of the ingest service that are always there. 0: none, and the first message after a pause waits for a start."
  type        = number
  default     = 0

  validation {
    condition     = var.ingest_min_instances >= 0 && var.ingest_min_instances <= 100
    error_message = "ingest_min_instances must be 0 to 100."
  }
}

variable "ingest_max_instances" {
  description = "Most instances of the ingest service: a bound on cost, and on contention for a candle."
  type        = number
  default     = 10

  validation {
    condition     = var.ingest_max_instances >= 1 && var.ingest_max_instances <= 1000 && var.ingest_max_instances >= var.ingest_min_instances
    error_message = "ingest_max_instances must be 1 to 1000, and not less than ingest_min_instances."
  }
}

variable "ingest_cpu" {
  description = "Processors of an instance of the ingest service. More than one request at once needs at least 1."
  type        = string
  default     = "1"

  validation {
    condition     = contains(["1", "2", "4", "8"], var.ingest_cpu)
    error_message = "ingest_cpu must be 1, 2, 4 or 8."
  }
}

variable "ingest_memory" {
  description = "Memory of an instance of the ingest service."
  type        = string
  default     = "512Mi"

  validation {
    condition     = can(regex("^[0-9]+(Mi|Gi)$", var.ingest_memory))
    error_message = "ingest_memory must be such as 512Mi or 1Gi; Cloud Run wants at least 512Mi."
  }
}

variable "ingest_env" {
  description = "Environment of the ingest service. No secrets: it can be read by all who may read the service."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.ingest_env) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !contains(["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"], name)])
    error_message = "ingest_env must be names of variables; PORT and K_* are Cloud Run's own."
  }
}

variable "replicate_service" {
  description = "The Cloud Run service that copies from the peer."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$", var.replicate_service))
    error_message = "replicate_service must be up to 49 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "replicate_image" {
  description = "Image of the replicate service, by digest: HOST/PATH@sha256:DIGEST. Null: there is neither service nor schedule."
  type        = string
  default     = null

  validation {
    condition     = var.replicate_image == null || can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$", var.replicate_image))
    error_message = "replicate_image must be given by digest, HOST/PATH@sha256:DIGEST, not by a tag."
  }
}

variable "replicate_cpu" {
  description = "Processors of the replicate service."
  type        = string
  default     = "1"

  validation {
    condition     = contains(["1", "2", "4", "8"], var.replicate_cpu)
    error_message = "replicate_cpu must be 1, 2, 4 or 8."
  }
}

variable "replicate_memory" {
  description = "Memory of the replicate service."
  type        = string
  default     = "512Mi"

  validation {
    condition     = can(regex("^[0-9]+(Mi|Gi)$", var.replicate_memory))
    error_message = "replicate_memory must be such as 512Mi or 1Gi; Cloud Run wants at least 512Mi."
  }
}

variable "replicate_env" {
  description = "Environment of the replicate service. No secrets: it can be read by all who may read the service."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.replicate_env) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !contains(["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"], name)])
    error_message = "replicate_env must be names of variables; PORT and K_* are Cloud Run's own."
  }
}

variable "replicate_schedule" {
  description = "When to replicate, as cron in UTC."
  type        = string
  default     = "*/5 * * * *"

  validation {
    condition     = length(split(" ", var.replicate_schedule)) == 5
    error_message = "replicate_schedule must be cron with five fields, such as */5 * * * *."
  }
}

variable "replicate_path" {
  description = "What the schedule posts to."
  type        = string
  default     = "/"

  validation {
    condition     = startswith(var.replicate_path, "/")
    error_message = "replicate_path must start with a slash."
  }
}

variable "replicate_timeout_s" {
  description = "Longest run of replicate."
  type        = number
  default     = 900

  validation {
    condition     = var.replicate_timeout_s >= 15 && var.replicate_timeout_s <= 1800
    error_message = "replicate_timeout_s must be 15 to 1800, which is as long as Cloud Scheduler waits."
  }
}

variable "replicate_paused" {
  description = "Whether the schedule is paused."
  type        = bool
  default     = false
}
