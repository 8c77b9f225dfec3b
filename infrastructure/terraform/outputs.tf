output "stream_name" {
  description = "The stream that transactions are put on."
  value       = aws_kinesis_stream.transactions.name
}

output "stream_arn" {
  description = "The stream's ARN."
  value       = aws_kinesis_stream.transactions.arn
}

output "bucket_names" {
  description = "The buckets by purpose."
  value       = local.bucket_names
}

output "key_arns" {
  description = "The customer keys by purpose."
  value       = { for purpose, key in aws_kms_key.this : purpose => key.arn }
}

output "key_aliases" {
  description = "The names under which the keys are found, by purpose."
  value       = { for purpose, alias in aws_kms_alias.this : purpose => alias.name }
}
