"""The boto3 side makes the account; Terraform takes it over by import blocks and finds nothing to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infrastructure.planning.apply import execute
from infrastructure.planning.plan import make_plan
from infrastructure.settings import Settings
from scripts import generate_terraform_imports
from tests.terraform.account import ClientsWithKeyDefaults, shell_of
from tests.terraform.command import Terraform, variables_of

pytestmark = [pytest.mark.slow, pytest.mark.terraform]

_DEV = Settings(region="eu-central-1")
_OTHERS = {
    "test, in another partition": Settings(environment="test", region="us-gov-west-1", object_lock_mode="COMPLIANCE"),
    "prod, everything set": Settings(
        environment="prod",
        region="us-east-1",
        project="bank",
        tags={"Owner": "payments", "CostCentre": "42"},
        stream_mode="PROVISIONED",
        shard_count=2,
        stream_retention_hours=336,
        object_lock_years=3,
        data_retention_years=10,
    ),
}
# What only Terraform has.
_OWN = {"dev": {}, "test": {}, "prod": {"terraform_data.prod_guard[0]": "create"}}


@dataclass(frozen=True)
class TakingOver:
    """Terraform with import blocks for what boto3 made, and the plan of it."""

    terraform: Terraform
    blocks: Path
    state: str
    plan: dict[str, str]


@contextmanager
def _taking_over(settings: Settings, endpoint: str, copied: Terraform) -> Iterator[TakingOver]:
    blocks = copied.folder / "imports.tf"
    state = f"-state={copied.data / settings.prefix}.tfstate"
    terraform = copied.with_variables({"AWS_ENDPOINT_URL": endpoint, **variables_of(settings)})
    with shell_of(endpoint, settings):
        clients = ClientsWithKeyDefaults(settings.region)
        desired = generate_terraform_imports.covered_resources(settings, clients)
        execute(make_plan(desired, emulated=True), emulated=True).raise_for_errors()
        assert make_plan(desired, emulated=True).changes == ()
        assert generate_terraform_imports.main(["--output", str(blocks)]) == 0
    try:
        yield TakingOver(terraform, blocks, state, terraform.plan(state))
    finally:
        blocks.unlink(missing_ok=True)


def _assert_all_is_imported_and_nothing_changed(taking_over: TakingOver, settings: Settings) -> None:
    # The state is empty: a resource without a block would be created.
    written = re.findall(r"^  to = (.*)$", taking_over.blocks.read_text(encoding="utf-8"), re.MULTILINE)
    assert taking_over.plan == dict.fromkeys(written, "import") | _OWN[settings.environment]
    assert len(written) == 58


@pytest.fixture(scope="module")
def dev(account: str, copied: Terraform) -> Iterator[TakingOver]:
    """The dev environment as it comes, being taken over."""
    with _taking_over(_DEV, account, copied) as taking_over:
        yield taking_over


def test_everything_is_imported_and_nothing_is_changed(dev: TakingOver) -> None:
    _assert_all_is_imported_and_nothing_changed(dev, _DEV)


def test_once_imported_terraform_has_nothing_to_change(dev: TakingOver) -> None:
    dev.terraform.apply_plan(dev.state)
    dev.blocks.unlink()
    options = ("-input=false", "-no-color", "-detailed-exitcode", dev.state)
    dev.terraform.run("plan", *options, expect=0)


@pytest.mark.parametrize("settings", _OTHERS.values(), ids=_OTHERS)
def test_so_it_is_with_other_settings(settings: Settings, account: str, copied: Terraform) -> None:
    with _taking_over(settings, account, copied) as taking_over:
        _assert_all_is_imported_and_nothing_changed(taking_over, settings)
