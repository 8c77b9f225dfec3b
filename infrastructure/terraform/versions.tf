terraform {
  required_version = ">= 1.10.0, < 2.0.0" # 1.10 brought the S3 backend's own lock (use_lockfile)

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # The bucket holds the account's number, so it is named at init:
  #   terraform init -backend-config="bucket=..."
  # Each environment has a state bucket of its own (scripts/create_terraform_state_bucket.py); it encrypts by default.
  backend "s3" {
    key          = "data-platform/terraform.tfstate"
    use_lockfile = true
  }
}
