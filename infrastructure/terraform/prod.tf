# In prod no plan may destroy the platform or rename it, nor apply another environment's values to prod's state.
# prevent_destroy takes no variable, so this guard stands for everything: such a plan has to destroy or replace it, and is
# refused as a whole. docs/terraform.md says how to retire it on purpose.
resource "terraform_data" "prod_guard" {
  count = var.environment == "prod" ? 1 : 0

  triggers_replace = [local.prefix, local.account_id, local.region]

  lifecycle {
    prevent_destroy = true
  }
}
