resource "aws_kinesis_stream" "transactions" {
  name             = "${local.prefix}-transactions"
  retention_period = var.stream_retention_hours
  shard_count      = var.stream_mode == "PROVISIONED" ? var.shard_count : null
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.this["data"].arn
  tags             = local.tags

  shard_level_metrics = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
  ]

  stream_mode_details {
    stream_mode = var.stream_mode
  }

  lifecycle {
    ignore_changes = [enforce_consumer_deletion] # known to Terraform alone: an imported stream has none
  }
}
