# The variables carry the names, defaults and bounds of infrastructure/settings.py; a test holds them equal.

variable "environment" {
  description = "Which environment this is; part of every name."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "test", "prod", "acceptance"], var.environment)
    error_message = "environment must be dev, test, prod or acceptance."
  }
}

variable "region" {
  description = "The AWS region; null takes AWS_REGION or the profile's, as the boto3 side does."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region such as eu-central-1."
  }
}

variable "project" {
  description = "What every name begins with."
  type        = string
  default     = "banking-data"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9]){1,21}$", var.project)) && length(var.project) <= 22
    error_message = "project must be 2 to 22 lower-case letters and digits, in words joined by single hyphens."
  }
}

variable "tags" {
  description = "Further tags on everything that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "expected_account_id" {
  description = "Where set, nothing is read or changed in any other account."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.expected_account_id))
    error_message = "expected_account_id must be twelve digits, or nothing."
  }
}

variable "key_deletion_window_days" {
  description = "Days that a key waits before KMS deletes it."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.key_deletion_window_days >= 7 && var.key_deletion_window_days <= 30
    error_message = "key_deletion_window_days must be 7 to 30 days."
  }
}

variable "object_lock_mode" {
  description = "Object Lock mode of raw and audit; null is COMPLIANCE in prod and GOVERNANCE elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.object_lock_mode == null || contains(["GOVERNANCE", "COMPLIANCE"], coalesce(var.object_lock_mode, "-"))
    error_message = "object_lock_mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "object_lock_years" {
  description = "Years that Object Lock keeps a version of raw and audit."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.object_lock_years >= 1 && var.object_lock_years <= 100
    error_message = "object_lock_years must be 1 to 100 years; PCI DSS asks for 12 months."
  }
}

variable "data_retention_years" {
  description = "Years that raw and audit are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.data_retention_years >= 1 && var.data_retention_years <= 100
    error_message = "data_retention_years must be 1 to 100 years."
  }
}

variable "stream_mode" {
  description = "Capacity mode of the stream."
  type        = string
  default     = "ON_DEMAND"
  nullable    = false

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.stream_mode)
    error_message = "stream_mode must be ON_DEMAND or PROVISIONED."
  }
}

variable "shard_count" {
  description = "Shards of a PROVISIONED stream; an ON_DEMAND one finds its own number."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.shard_count >= 1 && var.shard_count <= 10000
    error_message = "shard_count must be 1 to 10000 shards."
  }
}

variable "stream_retention_hours" {
  description = "Hours that the stream keeps a record."
  type        = number
  default     = 168
  nullable    = false

  validation {
    condition     = var.stream_retention_hours >= 168 && var.stream_retention_hours <= 8760
    error_message = "stream_retention_hours must be 168 to 8760 hours; records must outlive a long weekend's outage."
  }
}

variable "force_destroy" {
  description = "Whether destroy empties the buckets first. Never in prod."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.force_destroy && var.environment == "prod")
    error_message = "force_destroy must be false in prod: destroy would delete the bank's records."
  }
}
