variable "project" {
  description = "The Google Cloud project's id, as the module pipeline gives it once the project's APIs are on."
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

variable "role_suffix" {
  description = "Ends the ids of custom roles. Null: nothing does. The id of a deleted role is taken for up to 44 days: name a suffix, or undelete the role in the first 7."
  type        = string
  default     = null
}

variable "pool" {
  description = "The pool that GitHub's jobs sign in to, as the module federation gives it. Null: there is none."
  type        = string
  default     = null
}

variable "deploy_subjects" {
  description = "Subjects of GitHub's tokens that may deploy, whole, as the module federation gives them. Empty: there is no deploy account."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for subject in var.deploy_subjects : !strcontains(subject, "*") && !endswith(subject, ":pull_request")])
    error_message = "deploy_subjects must be whole, without wildcards, and none of a pull request."
  }
}

variable "plan_subjects" {
  description = "Subjects of GitHub's tokens that may plan, and nothing else. Empty: there is no plan account."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for subject in var.plan_subjects : !strcontains(subject, "*")])
    error_message = "plan_subjects must be whole, without wildcards."
  }
}

variable "bucket" {
  description = "The bucket of the raw archive, whose configuration the deploy account may change."
  type        = string
}

variable "image_repository" {
  description = "The repository of images, as the module pipeline gives it."
  type = object({
    location = string
    name     = string
  })
}

variable "service_accounts" {
  description = "The accounts that the deploy account lets services, push and schedule run as, as the module pipeline gives them."
  type = object({
    ingest    = string
    replicate = string
    push      = string
    schedule  = string
  })
}

variable "producer_host" {
  description = "True if the deploy account also makes the machine of the module producer."
  type        = bool
  default     = false
}

variable "producer_account" {
  description = "The account of that machine, as the module producer gives it. Needed with producer_host."
  type        = string
  default     = null
}

variable "state_bucket" {
  description = "The bucket of the state of the configuration that calls this module, for the deploy and plan accounts. Null: they get no access to it."
  type        = string
  default     = null

  validation {
    condition     = var.state_bucket == null || can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket must be the name of a bucket."
  }
}

variable "state_prefix" {
  description = "The prefix of that state in state_bucket: the deploy and plan accounts get no further."
  type        = string
  default     = "terraform-gcp"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*$", var.state_prefix)) && length(setintersection(split("/", var.state_prefix), [".", ".."])) == 0
    error_message = "state_prefix must be names between single slashes, without wildcards."
  }
}
