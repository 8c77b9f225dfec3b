# The stream, the buckets and the keys that they need, named and configured as the boto3 side does it
# (infrastructure/settings.py, security/kms_keys.py, data_storage/s3_bucket_setup.py,
# data_ingestion/create_kinesis_stream.py). Tests hold both sides equal; docs/terraform.md says when to use which.
#
#   keys.tf    customer keys and their aliases       stream.tf   the stream that transactions arrive on
#   buckets.tf the six buckets (modules/bucket)      prod.tf     what only prod has

provider "aws" {
  region              = var.region
  allowed_account_ids = var.expected_account_id == "" ? null : [var.expected_account_id]
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.name
  partition  = data.aws_partition.current.partition

  prefix    = "${var.project}-${var.environment}"
  trail_arn = "arn:${local.partition}:cloudtrail:${local.region}:${local.account_id}:trail/${local.prefix}-audit-${local.region}"

  # ManagedBy names the platform's own command on both sides: either may manage what bears it.
  tags = merge(var.tags, {
    Project     = var.project
    Environment = var.environment
    ManagedBy   = "orchestrate_pipeline"
  })
}
