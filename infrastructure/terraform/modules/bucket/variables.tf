variable "name" {
  description = "The bucket's name, unique in the world."
  type        = string

  validation {
    condition     = length(var.name) <= 63
    error_message = "S3 takes names of at most 63 characters: shorten project."
  }
}

variable "kms_key_arn" {
  description = "The key that objects are encrypted with; null is SSE-S3."
  type        = string
  default     = null
}

variable "policy_template" {
  description = "Path of the policy's JSON template; its placeholders are those of policy_values, bucket_arn and key_arn."
  type        = string
}

variable "policy_values" {
  description = "What the template's placeholders stand for."
  type        = map(string)
}

variable "policy_statements" {
  description = "The Sids of the template's statements that this bucket has."
  type        = list(string)
}

variable "object_lock" {
  description = "Default retention of each object version; null is no Object Lock. It cannot be added to a bucket later."
  type = object({
    mode  = string
    years = number
  })
  default = null
}

variable "moves" {
  description = "After how many days objects of 128 KiB or more move to which storage class."
  type        = list(object({ days = number, storage_class = string }))
  default     = []
}

variable "expire_days" {
  description = "Days until an object goes; null is never."
  type        = number
  default     = null
}

variable "old_version_days" {
  description = "Days until a version goes that was overwritten or deleted."
  type        = number
}

variable "prefix_expire_days" {
  description = "Prefixes whose objects go earlier, and after how many days."
  type        = map(number)
  default     = {}
}

variable "logging" {
  description = "Where S3 writes the access logs; null is nowhere."
  type = object({
    bucket = string
    prefix = string
  })
  default = null
}

variable "force_destroy" {
  description = "Whether destroy empties the bucket first."
  type        = bool
  default     = false
}

variable "tags" {
  description = "The bucket's tags."
  type        = map(string)
}
