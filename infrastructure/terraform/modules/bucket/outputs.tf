output "name" {
  description = "The bucket's name, known once its policy stands: a bucket that logs here needs that."
  value       = aws_s3_bucket.this.bucket
  depends_on  = [aws_s3_bucket_policy.this]
}

output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}

output "object_lock" {
  description = "Mode and years of the default retention; null where objects are not locked."
  value       = one(aws_s3_bucket_object_lock_configuration.this[*].rule[0].default_retention[0])
}

output "force_destroy" {
  description = "Whether destroy empties the bucket first."
  value       = aws_s3_bucket.this.force_destroy
}
