variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "pipeline" {
  description = "Where trades go: the queue, by name and by ARN, and the table, which has the routing overrides; and the bucket of the producer's program."
  type = object({
    queue_name    = string
    queue_arn     = string
    table_arn     = string
    artifacts     = string
    artifacts_arn = string
  })

  validation {
    condition     = !strcontains(jsonencode(var.pipeline), "*")
    error_message = "pipeline must name each resource whole, without wildcards: rights are given on these."
  }
}

variable "alert_topic_arn" {
  description = "The topic of the alarm of the producer's machine."
  type        = string
}

variable "google_producer_subject" {
  description = "Unique id (digits) of the Google service account of a producer at Google, which may send trades: terraform-gcp's output producer_service_account_unique_id. Null: no role for it."
  type        = string
  default     = null

  validation {
    condition     = var.google_producer_subject == null || can(regex("^[0-9]{10,30}$", var.google_producer_subject))
    error_message = "google_producer_subject must be the account's unique id, digits only."
  }
}

variable "google_audience" {
  description = "The audience that the Google side asks its identity token for."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "producer_program" {
  description = "The producer's program in the artifact bucket, producer/SHA256.bin: a machine that runs it day and night is made. Null: there is none."
  type        = string
  default     = null

  validation {
    condition     = var.producer_program == null || can(regex("^producer/[0-9a-f]{64}\\.bin$", var.producer_program))
    error_message = "producer_program must be producer/, the SHA-256 in lowercase hex, and .bin."
  }
}

variable "producer_unit" {
  description = "The text of the producer's systemd unit, infra/producer/twincloud-producer.service. Needed with producer_program."
  type        = string
  default     = null
}

variable "producer_env" {
  description = "Environment of the producer on its machine. No secrets: it can be read by all who may read the machine."
  type        = map(string)
  default     = {}
}

variable "producer_disk_gb" {
  description = "Size of the disk of the producer's spool, in gibibytes; more than the spool may hold."
  type        = number
  default     = 10

  validation {
    condition     = var.producer_disk_gb >= 1 && var.producer_disk_gb <= 1024
    error_message = "producer_disk_gb must be 1 to 1024."
  }
}

variable "producer_regions" {
  description = "Further regions that the producer sends to, each with its queue of trades and its table of candles, where routing overrides and the incarnation id are."
  type        = list(object({ region = string, queue = string, table = string }))
  default     = []
}

variable "producer_subnet" {
  description = "Id of the subnet of the producer's machine, which gives it a way out to the internet. Null: the default subnet of the region's zone a."
  type        = string
  default     = null
}

variable "google_audience_for_aws" {
  description = "The audience for which the producer's machine exchanges its identity at Google: terraform-gcp's output aws_workload_identity_audience. Null: it can't publish to Google."
  type        = string
  default     = null
}
