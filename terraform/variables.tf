# Names follow the keys of twincloud.toml, from which the values are rendered. A variable that one module takes is validated there.

variable "account" {
  description = "The only account that may be changed; with credentials of another one, nothing is done. Null: any."
  type        = string
  default     = null

  validation {
    condition     = var.account == null || can(regex("^[0-9]{12}$", var.account))
    error_message = "account must be twelve digits, in quotes."
  }
}

variable "region" {
  description = "AWS region of the stack and of everything here that has one."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region, such as us-east-1."
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

variable "tags" {
  description = "Further tags of everything. project, environment and managed-by are always there."
  type        = map(string)
  default     = {}
}

# Owned by the CloudFormation stack, referred to by name.

variable "stack_name" {
  description = "The CloudFormation stack. Null: prefix-environment."
  type        = string
  default     = null

  validation {
    condition     = var.stack_name == null || can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.stack_name))
    error_message = "stack_name must be up to 128 letters, digits and dashes, a letter first."
  }
}

variable "bootstrap_stack_name" {
  description = "The CloudFormation stack of the state's and the code's bucket. Null: prefix-environment-bootstrap."
  type        = string
  default     = null

  validation {
    condition     = var.bootstrap_stack_name == null || can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.bootstrap_stack_name))
    error_message = "bootstrap_stack_name must be up to 128 letters, digits and dashes, a letter first."
  }
}

variable "queue_name" {
  description = "The SQS queue of trades."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.queue_name))
    error_message = "queue_name must be 1 to 80 letters, digits, dashes and underscores."
  }
}

variable "dead_letter_queue_name" {
  description = "The SQS queue of messages that can't be processed."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.dead_letter_queue_name))
    error_message = "dead_letter_queue_name must be 1 to 80 letters, digits, dashes and underscores."
  }
  validation {
    condition     = var.dead_letter_queue_name != var.queue_name
    error_message = "dead_letter_queue_name must not be the queue itself."
  }
}

variable "table" {
  description = "The DynamoDB table of candles."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table))
    error_message = "table must be 3 to 255 letters, digits, dashes, dots and underscores."
  }
}

variable "bucket_base" {
  description = "Start of the name of the raw archive's bucket; a dash and the account's number follow."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,48}[a-z0-9]$", var.bucket_base))
    error_message = "bucket_base must be 3 to 50 of a-z, 0-9, dots and dashes: 13 characters follow, and a bucket's name has at most 63."
  }
}

variable "artifact_bucket_base" {
  description = "Start of the name of the bucket that function code is uploaded to; a dash and the account's number follow."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,48}[a-z0-9]$", var.artifact_bucket_base))
    error_message = "artifact_bucket_base must be 3 to 50 of a-z, 0-9, dots and dashes: 13 characters follow, and a bucket's name has at most 63."
  }
}

variable "ingest_name" {
  description = "The Lambda function that ingests."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.ingest_name))
    error_message = "ingest_name must be 1 to 64 letters, digits, dashes and underscores."
  }
}

variable "replicate_name" {
  description = "The Lambda function that copies from the peer. Null: there is none."
  type        = string
  default     = null

  validation {
    condition     = var.replicate_name == null || can(regex("^[A-Za-z0-9_-]{1,64}$", var.replicate_name))
    error_message = "replicate_name must be 1 to 64 letters, digits, dashes and underscores."
  }
}

# Who may deploy.

variable "github_repository" {
  description = "The only repository whose workflows may assume the roles, as OWNER/NAME. Null: no roles for GitHub."
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
  description = "Whether jobs of pull requests may assume the plan role, which reads only."
  type        = bool
  default     = true
}

variable "create_github_oidc_provider" {
  description = "Whether the account's provider for token.actions.githubusercontent.com is made here. An account can have one: false where it has it already."
  type        = bool
  default     = true
}

variable "require_functions_boundary" {
  description = "Whether the deploy role may make only roles that carry the functions' permissions boundary. False lets it make a role that may do anything."
  type        = bool
  default     = true
}

variable "allow_destroy" {
  description = "Whether the deploy role may empty the raw archive, and ask IAM about its own rights. Without it `destroy` ends at the full bucket."
  type        = bool
  default     = false
}

variable "state_bucket" {
  description = "The bucket of this root's state, for the plan role to read. Null: the plan role can't plan this root."
  type        = string
  default     = null
}

variable "state_key" {
  description = "The key of this root's state in state_bucket."
  type        = string
  default     = "terraform/terraform.tfstate"
}

# The Google side.

variable "google_replicate_subject" {
  description = "Unique id (digits) of the Google service account that may read the raw archive: terraform-gcp's output replicate_service_account_unique_id. Null: no role for Google."
  type        = string
  default     = null
}

variable "google_audience" {
  description = "The audience that the Google side asks its identity token for."
  type        = string
  default     = "sts.amazonaws.com"

  validation {
    condition     = length(var.google_audience) > 0 && !strcontains(var.google_audience, "*")
    error_message = "google_audience must not be empty, and can't hold wildcards."
  }
}

# Key, alerts, budget.

variable "key_services" {
  description = "AWS services through which principals of the account may use the key."
  type        = list(string)
  default     = ["sns"]
}

variable "key_deletion_window_days" {
  description = "Days in which a deleted key can still be brought back."
  type        = number
  default     = 30
}

variable "alert_email" {
  description = "Where alerts go by e-mail; AWS asks that address to confirm. Null: nowhere, subscribe to the topic by other means."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Budget of a month in US dollars; alerts at 80 % and 100 % of it, and when the forecast is above it. 0: no budget."
  type        = number
  default     = 50
}

variable "budget_by_tag" {
  description = "Whether the budget counts only what has this project's tag, not the whole account. The tag `project` must be an active cost allocation tag of the account."
  type        = bool
  default     = false
}

# The producer.

variable "google_producer_subject" {
  description = "Unique id (digits) of the Google service account of a producer at Google, which may send trades: terraform-gcp's output producer_service_account_unique_id. Null: no role for it."
  type        = string
  default     = null
}

variable "producer_program" {
  description = "The producer's program in the artifact bucket, producer/SHA256.bin: a machine that runs it day and night is made. Null: there is none."
  type        = string
  default     = null
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
