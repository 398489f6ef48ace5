variable "project" {
  description = "The Google Cloud project's id, as the module pipeline gives it once the project's APIs are on."
  type        = string
}

variable "project_number" {
  description = "The project's number, for the budget."
  type        = string
}

variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
}

variable "pipeline" {
  description = "What is watched: topic, subscriptions, bucket and services, by name, and the limits that alerts speak of. services are the names of those that are there, has_replicate is true if replicate is one of them."
  type = object({
    topic                    = string
    subscription             = string
    dead_letter_subscription = string
    bucket                   = string
    ingest_service           = string
    replicate_service        = string
    services                 = list(string)
    has_replicate            = bool
    replicate_paused         = bool
    ingest_max_instances     = number
    max_delivery_attempts    = number
    retention_s              = number
  })
}

variable "alert_email" {
  description = "Where alerts go by e-mail. Null: alerts are raised, and nobody is told."
  type        = string
  default     = null

  validation {
    condition     = var.alert_email == null || can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alert_email))
    error_message = "alert_email must be an e-mail address."
  }
}

variable "alert_oldest_unacked_s" {
  description = "Age of the oldest message that waits, above which there is an alert."
  type        = number
  default     = 1500

  validation {
    condition     = var.alert_oldest_unacked_s >= 60
    error_message = "alert_oldest_unacked_s must be at least 60."
  }
}

variable "alert_error_percent" {
  description = "Share of requests that are answered with 5xx, above which there is an alert."
  type        = number
  default     = 5

  validation {
    condition     = var.alert_error_percent > 0 && var.alert_error_percent <= 100
    error_message = "alert_error_percent must be more than 0 and at most 100."
  }
}

variable "alert_replication_lag_s" {
  description = "Age of the oldest trade that the peer has and this cloud lacks, above which there is an alert."
  type        = number
  default     = 1800

  validation {
    condition     = var.alert_replication_lag_s >= 120 && var.alert_replication_lag_s <= 82800 && var.alert_replication_lag_s % 60 == 0
    error_message = "alert_replication_lag_s must be whole minutes, 120 to 82800: so long can a metric's absence be waited for."
  }
}

variable "billing_account" {
  description = "The billing account, for the budget. Null: no budget."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must be such as 012345-6789AB-CDEF01."
  }
}

variable "monthly_budget" {
  description = "Budget of a month in the billing account's currency, whole units; alerts at 80 % and 100 % of it, and when the forecast is above it."
  type        = number
  default     = 50

  validation {
    condition     = var.monthly_budget >= 1 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "monthly_budget must be a whole number, at least 1; for no budget, give no billing_account."
  }
}
