"""In prod a plan that destroys or renames the platform is refused as a whole."""

from __future__ import annotations

import pytest

from infrastructure.settings import Settings
from tests.terraform.command import Terraform

pytestmark = [pytest.mark.slow, pytest.mark.terraform]

_SETTINGS = Settings(environment="prod", region="eu-central-1")


@pytest.fixture(scope="module")
def prod(account: str, copied: Terraform) -> Terraform:
    """A state of prod; the guard stands for everything in it."""
    terraform = copied.with_variables({"AWS_ENDPOINT_URL": account, "AWS_REGION": _SETTINGS.region})
    options = ("-auto-approve", "-input=false", "-no-color", _state(terraform), "-var-file=environments/prod.tfvars")
    terraform.run("apply", *options, "-target=terraform_data.prod_guard")
    return terraform


def _state(terraform: Terraform) -> str:
    return f"-state={terraform.data / 'guarded.tfstate'}"


@pytest.mark.parametrize(
    "options",
    [
        ("-var-file=environments/prod.tfvars", "-destroy"),
        ("-var-file=environments/prod.tfvars", "-var=project=renamed"),
        ("-var-file=environments/dev.tfvars",),
    ],
    ids=["destroy", "another name", "another environment's values"],
)
def test_it_is_refused(options: tuple[str, ...], prod: Terraform) -> None:
    refused = prod.run("plan", "-input=false", "-no-color", _state(prod), *options, expect=1)
    assert "terraform_data.prod_guard[0] has lifecycle.prevent_destroy set" in " ".join(refused.stderr.split())


def test_once_the_guard_is_forgotten_prod_can_be_retired(prod: Terraform) -> None:
    """The way that docs/terraform.md shows."""
    prod.run("state", "rm", _state(prod), "terraform_data.prod_guard[0]")
    prod.run("plan", "-input=false", "-no-color", _state(prod), "-var-file=environments/prod.tfvars", "-destroy")
