# Names follow the keys of twincloud.toml, from which the values are rendered. A variable that one module takes is validated there. `_s` is seconds, `_ms` milliseconds.

variable "project" {
  description = "The Google Cloud project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project's id: 6 to 30 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "region" {
  description = "Where everything lies that has a region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a Google Cloud region, such as us-central1."
  }
}

variable "prefix" {
  description = "Starts every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.prefix))
    error_message = "prefix must be 3 to 30 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "environment" {
  description = "The environment, such as dev or prod; stands behind the prefix in names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,11}$", var.environment))
    error_message = "environment must be 1 to 12 of a-z and 0-9, a letter first."
  }
}

variable "labels" {
  description = "Further labels of everything that takes labels. project, environment and managed-by are always there."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be of a-z, 0-9, dashes and underscores, up to 63, keys with a letter first."
  }
}

# Pub/Sub.

variable "topic" {
  description = "The topic of trades."
  type        = string
}

variable "subscription" {
  description = "The push subscription to the ingest service."
  type        = string
}

variable "dead_letter_topic" {
  description = "The topic of messages that can't be processed."
  type        = string
}

variable "dead_letter_subscription" {
  description = "The pull subscription that keeps the dead letters."
  type        = string
}

variable "ack_deadline_s" {
  description = "How long the ingest service may take for one message."
  type        = number
}

variable "max_delivery_attempts" {
  description = "Deliveries before a message is a dead letter."
  type        = number
}

variable "min_backoff_ms" {
  description = "Shortest pause before a redelivery."
  type        = number
}

variable "max_backoff_ms" {
  description = "Longest pause before a redelivery. 0: no retry policy, redeliver at once."
  type        = number
}

variable "retention_s" {
  description = "How long both subscriptions keep a message."
  type        = number
}

variable "publishers" {
  description = "Producers: who may publish trades and read routing overrides, as IAM members such as serviceAccount:producer@PROJECT.iam.gserviceaccount.com."
  type        = list(string)
  default     = []
}

variable "operators" {
  description = "Operators: IAM members that may watch, repair and switch over the pipeline (sync, dlq, failover, restore)."
  type        = list(string)
  default     = []
}

variable "game_day_operators" {
  description = "IAM members that may also close the topic and take the push away, for a game day; name them among operators, too."
  type        = list(string)
  default     = []
}

# Firestore.

variable "database" {
  description = "The Firestore database. `(default)` is the one that is free within limits; a project may have it already, see the README."
  type        = string
  default     = "(default)"
}

variable "collection" {
  description = "The collection of candles; a chart is a document in it, and a candle is in that document's collection \"candles\"."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{0,254}$", var.collection))
    error_message = "collection must be letters, digits, dashes and underscores, a letter first."
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

# The raw archive.

variable "bucket" {
  description = "The raw archive's bucket."
  type        = string
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
}

variable "coldline_days" {
  description = "Age at which an object moves to Coldline."
  type        = number
  default     = 90
}

variable "archive_days" {
  description = "Age at which an object moves to Archive."
  type        = number
  default     = 365
}

variable "noncurrent_days" {
  description = "How long an overwritten or deleted object can be brought back."
  type        = number
  default     = 30
}

# The services.

variable "image_repository" {
  description = "The Artifact Registry repository of images. Null: prefix-environment."
  type        = string
  default     = null
}

variable "ingest_service" {
  description = "The Cloud Run service that ingests."
  type        = string
}

variable "ingest_image" {
  description = "Image of the ingest service, by digest: HOST/PATH@sha256:DIGEST. Null: not built yet; then there is no service, and the subscription keeps what comes."
  type        = string
  default     = null
}

variable "ingest_concurrency" {
  description = "Requests that one instance of the ingest service takes at once."
  type        = number
}

variable "ingest_min_instances" {
  description = "Instances of the ingest service that are always there. 0: none, and the first message after a pause waits for a start."
  type        = number
  default     = 0
}

variable "ingest_max_instances" {
  description = "Most instances of the ingest service: a bound on cost, and on contention for a candle."
  type        = number
  default     = 10
}

variable "ingest_cpu" {
  description = "Processors of an instance of the ingest service. More than one request at once needs at least 1."
  type        = string
  default     = "1"
}

variable "ingest_memory" {
  description = "Memory of an instance of the ingest service."
  type        = string
  default     = "512Mi"
}

variable "ingest_env" {
  description = "Environment of the ingest service. No secrets: it can be read by all who may read the service."
  type        = map(string)
  default     = {}
}

variable "replicate_service" {
  description = "The Cloud Run service that copies from the peer. Null: prefix-replicate."
  type        = string
  default     = null
}

variable "replicate_image" {
  description = "Image of the replicate service, by digest: HOST/PATH@sha256:DIGEST. Null: there is neither service nor schedule."
  type        = string
  default     = null
}

variable "replicate_cpu" {
  description = "Processors of the replicate service."
  type        = string
  default     = "1"
}

variable "replicate_memory" {
  description = "Memory of the replicate service."
  type        = string
  default     = "512Mi"
}

variable "replicate_env" {
  description = "Environment of the replicate service. No secrets: it can be read by all who may read the service."
  type        = map(string)
  default     = {}
}

variable "replicate_schedule" {
  description = "When to replicate, as cron in UTC."
  type        = string
  default     = "*/5 * * * *"
}

variable "replicate_path" {
  description = "What the schedule posts to."
  type        = string
  default     = "/"
}

variable "replicate_timeout_s" {
  description = "Longest run of replicate."
  type        = number
  default     = 900
}

variable "replicate_paused" {
  description = "Whether the schedule is paused."
  type        = bool
  default     = false
}

# Who may deploy, and who may read.

variable "workload_identity_pool" {
  description = "Id of the pool of identities from outside. Null: from prefix and environment. The id of a deleted pool is taken for 30 days: name another, or undelete it."
  type        = string
  default     = null
}

variable "role_suffix" {
  description = "Ends the ids of custom roles. Null: nothing does. The id of a deleted role is taken for up to 44 days: name a suffix, or undelete the role in the first 7."
  type        = string
  default     = null

  validation {
    condition     = var.role_suffix == null || can(regex("^[A-Za-z0-9_]+$", var.role_suffix))
    error_message = "role_suffix must be letters, digits and underscores."
  }
  validation {
    condition     = var.role_suffix == null || length("${var.prefix}-${var.environment}_configure_archive_${coalesce(var.role_suffix, "-")}") <= 64
    error_message = "role_suffix is too long: the id of a role has at most 64 characters."
  }
}

variable "github_repository" {
  description = "The only repository whose workflows may sign in, as OWNER/NAME. Null: none."
  type        = string
  default     = null
}

variable "github_owner_id" {
  description = "GitHub's number of the repository's owner. With github_repository_id, tokens that carry the numbers are trusted too. Null: those with names alone."
  type        = string
  default     = null
}

variable "github_repository_id" {
  description = "GitHub's number of the repository."
  type        = string
  default     = null
}

variable "github_environments" {
  description = "GitHub environments whose jobs may deploy: rendered, the one of this environment's name. Give it its approval rules in GitHub."
  type        = list(string)
  default     = []
}

variable "github_branches" {
  description = "Branches whose jobs may deploy without an environment."
  type        = list(string)
  default     = []
}

variable "github_pull_requests" {
  description = "Whether jobs of pull requests may use the plan account, which reads only."
  type        = bool
  default     = true
}

variable "aws_account_id" {
  description = "The AWS account whose replicate function may read the raw archive. Null: none."
  type        = string
  default     = null
}

variable "aws_replicate_roles" {
  description = "Names (not ARNs) of the roles that the AWS replicate functions run with: one in each region that has a stack. Empty: none."
  type        = list(string)
  default     = []
}

variable "state_bucket" {
  description = "The bucket of this root's state, for the deploy and plan accounts. Null: they get no access to it."
  type        = string
  default     = null
}

variable "state_prefix" {
  description = "The prefix of this root's state in state_bucket: the deploy and plan accounts get no further."
  type        = string
  default     = "terraform-gcp"
}

# Alerts and budget.

variable "alert_email" {
  description = "Where alerts go by e-mail. Null: alerts are raised, and nobody is told."
  type        = string
  default     = null
}

variable "alert_oldest_unacked_s" {
  description = "Age of the oldest message that waits, above which there is an alert."
  type        = number
  default     = 1500
}

variable "alert_error_percent" {
  description = "Share of requests that are answered with 5xx, above which there is an alert."
  type        = number
  default     = 5
}

variable "alert_replication_lag_s" {
  description = "Age of the oldest trade that the peer has and this cloud lacks, above which there is an alert."
  type        = number
  default     = 1800
}

variable "billing_account" {
  description = "The billing account, for the budget. Null: no budget."
  type        = string
  default     = null
}

variable "monthly_budget" {
  description = "Budget of a month in the billing account's currency, whole units; alerts at 80 % and 100 % of it, and when the forecast is above it."
  type        = number
  default     = 50
}

# The producer's machine.

variable "producer_image" {
  description = "Image of the producer, by digest: HOST/PATH@sha256:DIGEST; a machine that runs it day and night is made. Null: there is none."
  type        = string
  default     = null
}

variable "producer_env" {
  description = "Environment of the producer on its machine. No secrets: it can be read by all who may read the machine."
  type        = map(string)
  default     = {}
}

variable "producer_aws_env" {
  description = "More of it: by which role and for which audience it sends to AWS. Empty: it can't send to AWS."
  type        = map(string)
  default     = {}
}

variable "producer_disk_gb" {
  description = "Size of the disk of the producer's spool, in gibibytes; more than the spool may hold. 30 of standard disks are free."
  type        = number
  default     = 10
}

variable "producer_zone" {
  description = "Zone of the producer's machine and disk. Null: the region's zone b."
  type        = string
  default     = null
}

variable "aws_producer_role" {
  description = "Name (not ARN) of the role of a producer's machine on AWS, which may publish trades: the AWS root's output producer_role_name. Null: none."
  type        = string
  default     = null
}
