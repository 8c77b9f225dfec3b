"""One environment in two regions of one account: neither affects the other, although roles have no region."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from security.iam_roles import ROLES
from tests.provisioning.account import EmulatedAccount

FIRST = Settings(region="eu-central-1", fraud_webhook_url="https://fraud.bank.example/alerts")
SECOND = replace(FIRST, region="us-east-1")


@pytest.mark.slow
def test_destroying_one_region_leaves_the_other_as_it_is() -> None:
    with emulated_aws():
        first, second = EmulatedAccount(FIRST), EmulatedAccount(SECOND)
        first.apply().raise_for_errors()
        second.apply().raise_for_errors()
        assert [step.resource.id for step in first.plan().changes] == []
        second.destroy(delete_data=True).raise_for_errors()
        assert [step.resource.id for step in first.plan().changes] == []
        roles = {role["RoleName"] for role in first.client("iam").list_roles()["Roles"]}
        assert roles == {FIRST.role_name(purpose) for purpose in ROLES}


def test_what_has_no_region_of_its_own_is_named_after_it() -> None:
    def names(settings: Settings) -> set[str]:
        roles = (settings.role_name(purpose) for purpose in ROLES)
        return {settings.trail_name, settings.dashboard_name, *roles}

    assert names(FIRST) & names(SECOND) == set()


def test_the_longest_project_that_the_buckets_take_fits_the_roles_too() -> None:
    for region in ("us-east-1", "ap-southeast-2", "us-gov-west-1"):
        taken = [project for project in ("p" * length for length in range(2, 23)) if _is_taken(project, region)]
        longest = Settings(project=taken[-1], environment="prod", region=region)
        assert all(len(longest.role_name(purpose)) <= 64 for purpose in ROLES)


def _is_taken(project: str, region: str) -> bool:
    try:
        Settings(project=project, environment="prod", region=region)
    except PlatformError:
        return False
    return True
