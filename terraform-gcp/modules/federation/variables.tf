variable "project" {
  description = "The Google Cloud project's id, as the module pipeline gives it once the project's APIs are on."
  type        = string
}

variable "project_number" {
  description = "The project's number."
  type        = string
}

variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "short_name" {
  description = "The same in at most 19 characters, for ids of accounts and of the pool: name, if it is short enough."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.short_name))
    error_message = "short_name must be 3 to 19 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "bucket" {
  description = "The bucket of the raw archive."
  type        = string
}

variable "workload_identity_pool" {
  description = "Id of the pool of identities from outside. Null: short_name. The id of a deleted pool is taken for 30 days: name another, or undelete it."
  type        = string
  default     = null

  validation {
    condition     = var.workload_identity_pool == null || can(regex("^[a-z0-9-]{4,32}$", var.workload_identity_pool)) && !startswith(coalesce(var.workload_identity_pool, "-"), "gcp-")
    error_message = "workload_identity_pool must be 4 to 32 of a-z, 0-9 and dashes, and not start with gcp-."
  }
}

variable "github_repository" {
  description = "The only repository whose workflows may sign in, as OWNER/NAME. Null: none."
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
  description = "Whether jobs of pull requests may use the plan account, which reads only."
  type        = bool
  default     = true
}

variable "aws_account_id" {
  description = "The AWS account whose replicate function may read the raw archive. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.aws_account_id == null || can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id must be twelve digits, in quotes."
  }
}

variable "aws_replicate_roles" {
  description = "Names (not ARNs) of the roles that the AWS replicate functions run with: one in each region that has a stack. Empty: none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for role in var.aws_replicate_roles : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", role))])
    error_message = "aws_replicate_roles must be names of roles, without their paths or ARNs."
  }
}

variable "aws_producer_role" {
  description = "Name (not ARN) of the role of a producer's machine on AWS, which may publish trades: the AWS root's output producer_role_name. Null: none."
  type        = string
  default     = null
}
