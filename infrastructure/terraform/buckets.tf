locals {
  transport  = ["DenyInsecureTransport", "DenyOutdatedTls", "DenyOtherAccounts"]
  own_key    = ["DenyOtherKeys", "DenyKmsWithoutKey", "DenyKeysOfCallers"]
  encryption = concat(["DenyOtherEncryption"], local.own_key)

  retention_days = floor(var.data_retention_years * 365.25) + 1
  object_lock = {
    mode  = coalesce(var.object_lock_mode, var.environment == "prod" ? "COMPLIANCE" : "GOVERNANCE")
    years = var.object_lock_years
  }

  bucket_names = {
    for purpose in ["raw", "curated", "quarantine", "artifacts", "access-logs", "audit"] :
    purpose => "${local.prefix}-${purpose}-${local.account_id}-${local.region}"
  }

  # The template that the boto3 side reads too.
  bucket_policy_template = "${path.module}/../../data_governance/s3_access_policy.json"
  bucket_policy_values = {
    partition  = local.partition
    account_id = local.account_id
    prefix     = local.prefix
    trail_arn  = local.trail_arn
  }

  # What differs from bucket to bucket (modules/bucket/variables.tf says what each attribute means). Three months at
  # hand (PCI DSS 10.5.1), then colder; raw, quarantine and audit are kept as long as the law asks.
  buckets = {
    raw = {
      object_lock      = local.object_lock
      moves            = [{ days = 90, storage_class = "STANDARD_IA" }, { days = 365, storage_class = "GLACIER_IR" }]
      expire_days      = local.retention_days
      old_version_days = 90
    }
    curated = {
      moves              = [{ days = 180, storage_class = "STANDARD_IA" }]
      old_version_days   = 30
      prefix_expire_days = { "staging/" = 7 }
    }
    quarantine = {
      moves              = [{ days = 90, storage_class = "STANDARD_IA" }]
      old_version_days   = 30
      prefix_expire_days = { "corrected/" = local.retention_days, "quarantine/" = local.retention_days }
    }
    artifacts = {
      old_version_days = 90
    }
    audit = {
      key              = "audit"
      statements       = ["CloudTrailChecksAcl", "CloudTrailWrites"]
      encryption       = concat(["DenyOtherEncryptionButOfDigests"], local.own_key) # digests come with SSE-S3
      object_lock      = local.object_lock
      moves            = [{ days = 90, storage_class = "STANDARD_IA" }, { days = 365, storage_class = "GLACIER" }]
      expire_days      = local.retention_days
      old_version_days = 90
    }
  }
}

module "bucket" {
  source   = "./modules/bucket"
  for_each = local.buckets

  name               = local.bucket_names[each.key]
  kms_key_arn        = aws_kms_key.this[try(each.value.key, "data")].arn
  policy_template    = local.bucket_policy_template
  policy_values      = local.bucket_policy_values
  policy_statements  = concat(try(each.value.statements, []), local.transport, try(each.value.encryption, local.encryption))
  object_lock        = try(each.value.object_lock, null)
  moves              = try(each.value.moves, [])
  expire_days        = try(each.value.expire_days, null)
  old_version_days   = each.value.old_version_days
  prefix_expire_days = try(each.value.prefix_expire_days, {})
  logging            = { bucket = module.access_logs_bucket.name, prefix = "${each.key}/" }
  force_destroy      = var.force_destroy
  tags               = merge(local.tags, { Purpose = each.key })
}

# Where S3 writes the access logs of the others. By S3's own rules it takes SSE-S3, no default Object Lock, and does not
# log to itself.
module "access_logs_bucket" {
  source = "./modules/bucket"

  name              = local.bucket_names["access-logs"]
  policy_template   = local.bucket_policy_template
  policy_values     = local.bucket_policy_values
  policy_statements = concat(["AccessLogDelivery"], local.transport, ["DenyKeysOfCallers"])
  moves             = [{ days = 90, storage_class = "STANDARD_IA" }]
  expire_days       = 400
  old_version_days  = 30
  force_destroy     = var.force_destroy
  tags              = merge(local.tags, { Purpose = "access-logs" })
}
