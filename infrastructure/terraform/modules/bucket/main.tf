# One bucket of the platform: versions, encryption, no public access, no ACLs, a policy cut from the shared template,
# lifecycle, and, where asked for, Object Lock and access logs.

locals {
  policy_statements = {
    for statement in jsondecode(templatefile(var.policy_template, merge(var.policy_values, {
      bucket_arn = aws_s3_bucket.this.arn
      key_arn    = var.kms_key_arn == null ? "" : var.kms_key_arn
    }))).Statement : statement.Sid => statement
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:Replication to another region is a decision on data residency that each bank takes for itself
  #checkov:skip=CKV2_AWS_62:Nothing reacts to single objects - the stream triggers the function and the job works on manifests
  bucket              = var.name
  object_lock_enabled = var.object_lock != null
  force_destroy       = var.force_destroy
  tags                = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count = var.object_lock == null ? 0 : 1

  bucket = aws_s3_bucket_versioning.this.bucket # S3 locks versions only

  rule {
    default_retention {
      mode  = var.object_lock.mode
      years = var.object_lock.years
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket_public_access_block.this.bucket # the public is kept out first
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for sid in var.policy_statements : local.policy_statements[sid]]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket_versioning.this.bucket # rules for old versions need versions

  transition_default_minimum_object_size = "all_storage_classes_128K"

  rule {
    id     = "all-objects"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = var.old_version_days
    }

    dynamic "transition" {
      for_each = var.moves
      content {
        days          = transition.value.days
        storage_class = transition.value.storage_class
      }
    }

    dynamic "expiration" {
      for_each = var.expire_days == null ? [] : [var.expire_days]
      content {
        days = expiration.value
      }
    }
  }

  dynamic "rule" {
    for_each = var.prefix_expire_days
    content {
      id     = "expire-${trim(rule.key, "/")}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  count = var.logging == null ? 0 : 1

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.logging.bucket
  target_prefix = var.logging.prefix

  # A log must not be written before its bucket is locked.
  depends_on = [aws_s3_bucket_object_lock_configuration.this]
}
