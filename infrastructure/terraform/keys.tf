locals {
  keys = {
    data = {
      description = "Transactions: stream, lake, warehouse"
      statements  = ["AccountRoot"]
    }
    tokens = {
      description = "Tokenisation secret"
      statements  = ["AccountRoot", "ThroughSecretsManagerAlone"]
    }
    audit = {
      description = "Audit trail and log groups"
      statements  = ["AccountRoot", "CloudWatchLogs", "CloudTrailEncrypts"]
    }
    messaging = {
      description = "Queues and topics"
      statements  = ["AccountRoot", "AlarmsPublish", "RawBucketTells"]
    }
  }

  # The template that the boto3 side reads too.
  key_policy_statements = {
    for statement in jsondecode(templatefile("${path.module}/../../security/kms_key_policy.json", {
      partition  = local.partition
      account_id = local.account_id
      region     = local.region
      dns_suffix = data.aws_partition.current.dns_suffix
      trail_arn  = local.trail_arn

      raw_bucket_arn = "arn:${local.partition}:s3:::${local.bucket_names["raw"]}"
    })).Statement : statement.Sid => statement
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  # KMS's own defaults are left to KMS, so that an imported key needs no change: 30 days until it is deleted, 365 days
  # until it rotates.
  description             = each.value.description
  deletion_window_in_days = var.key_deletion_window_days == 30 ? null : var.key_deletion_window_days
  enable_key_rotation     = true
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for sid in each.value.statements : local.key_policy_statements[sid]]
  })
  tags = merge(local.tags, { Purpose = each.key })

  lifecycle {
    ignore_changes = [bypass_policy_lockout_safety_check] # known to Terraform alone: an imported key has none
  }
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${local.prefix}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
