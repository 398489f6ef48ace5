variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic; its policy lets alarms and budgets publish, as that of the module key does."
  type        = string
}

variable "pipeline" {
  description = "What the dashboard shows: names of the queues and of the table, and of the functions."
  type = object({
    queue_name             = string
    dead_letter_queue_name = string
    table                  = string
    functions              = list(string)
  })
}

variable "alert_email" {
  description = "Where alerts go by e-mail; AWS asks that address to confirm. Null: nowhere, subscribe to the topic by other means."
  type        = string
  default     = null

  validation {
    condition     = var.alert_email == null || can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alert_email))
    error_message = "alert_email must be an e-mail address."
  }
}

variable "monthly_budget_usd" {
  description = "Budget of a month in US dollars; alerts at 80 % and 100 % of it, and when the forecast is above it. 0: no budget."
  type        = number
  default     = 50

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "monthly_budget_usd can't be negative."
  }
}

variable "budget_tag" {
  description = "The budget counts only what has this value of the tag `project`, which must be an active cost allocation tag of the account. Null: the whole account."
  type        = string
  default     = null
}
