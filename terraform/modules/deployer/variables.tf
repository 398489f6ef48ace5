variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "pipeline" {
  description = "What is deployed: the CloudFormation stack of the pipeline and the one of the buckets for state and code, and functions, by name; queues, table, and buckets of the archive and of code, by ARN."
  type = object({
    stack_name            = string
    bootstrap_stack_name  = string
    queue_arn             = string
    dead_letter_queue_arn = string
    table_arn             = string
    archive_arn           = string
    artifacts_arn         = string
    functions             = list(string)
  })

  validation {
    condition     = !strcontains(jsonencode(var.pipeline), "*")
    error_message = "pipeline must name each resource whole, without wildcards: rights are given on these."
  }
}

variable "github_repository" {
  description = "The only repository whose workflows may assume the roles, as OWNER/NAME. Null: no roles for GitHub."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be OWNER/NAME, one repository, without wildcards."
  }
}

variable "github_owner_id" {
  description = "GitHub's number of the repository's owner. With github_repository_id, tokens that carry the numbers are trusted too. Null: those with names alone."
  type        = string
  default     = null

  validation {
    condition     = var.github_owner_id == null || can(regex("^[1-9][0-9]{0,19}$", var.github_owner_id))
    error_message = "github_owner_id must be a number, digits only."
  }
}

variable "github_repository_id" {
  description = "GitHub's number of the repository."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository_id == null || can(regex("^[1-9][0-9]{0,19}$", var.github_repository_id))
    error_message = "github_repository_id must be a number, digits only."
  }
  validation {
    condition     = (var.github_repository_id == null) == (var.github_owner_id == null)
    error_message = "github_repository_id and github_owner_id are given both or neither."
  }
}

variable "github_environments" {
  description = "GitHub environments whose jobs may deploy: rendered, the one of this environment's name. Give it its approval rules in GitHub."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.github_environments : can(regex("^[A-Za-z0-9._-]+$", name))])
    error_message = "github_environments must be names of letters, digits, dots, dashes and underscores, without wildcards."
  }
}

variable "github_branches" {
  description = "Branches whose jobs may deploy without an environment."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.github_branches : can(regex("^[A-Za-z0-9._/-]+$", name))])
    error_message = "github_branches must be names of branches, without wildcards."
  }
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

variable "kms_key_arn" {
  description = "The key of the module key, for the plan role to read."
  type        = string
}

variable "alert_topic_arn" {
  description = "The topic of the module observability, for the plan role to read."
  type        = string
}

variable "producer_host" {
  description = "True if a plan also reads the machine of the module producer."
  type        = bool
  default     = false
}

variable "state_bucket" {
  description = "The bucket of the state of the configuration that calls this module, for the plan role to read. Null: the plan role can't plan it."
  type        = string
  default     = null

  validation {
    condition     = var.state_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket must be the name of an S3 bucket."
  }
}

variable "state_key" {
  description = "The key of that state in state_bucket."
  type        = string
  default     = "terraform/terraform.tfstate"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*$", var.state_key))
    error_message = "state_key must be a key without wildcards."
  }
}
