"""The function in the bank's network: placed there by settings, with the rights for it only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infrastructure.errors import PlatformError
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount


def place(account: EmulatedAccount) -> None:
    """Name two subnets and a security group of the account in the settings."""
    ec2 = account.client("ec2")
    subnets = sorted(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"])[:2]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    account.settings = replace(account.settings, lambda_subnet_ids=tuple(subnets), lambda_security_group_ids=(group,))


def network(account: EmulatedAccount) -> dict[str, list[str]]:
    found = account.client("lambda").get_function_configuration(FunctionName=account.settings.function_name)
    vpc = found.get("VpcConfig") or {}
    return {name: vpc[name] for name in ("SubnetIds", "SecurityGroupIds") if vpc.get(name)}


def inline_policies(account: EmulatedAccount) -> list[str]:
    role = account.settings.role_name("lambda")
    names: list[str] = account.client("iam").list_role_policies(RoleName=role)["PolicyNames"]
    return [name for name in names if name != role]


def test_without_settings_it_stands_in_no_network_and_has_no_rights_there(applied: EmulatedAccount) -> None:
    assert network(applied) == {}
    assert inline_policies(applied) == []


def test_a_new_function_is_made_in_the_network_after_its_rights(account: EmulatedAccount) -> None:
    place(account)
    account.apply().raise_for_errors()
    assert network(account) == {
        "SubnetIds": list(account.settings.lambda_subnet_ids),
        "SecurityGroupIds": list(account.settings.lambda_security_group_ids),
    }
    assert inline_policies(account) == ["network"]
    made = account.calls.mutating
    rights = max(place for place, name in enumerate(made) if name == "iam.PutRolePolicy")
    assert rights < made.index("lambda.CreateFunction")
    assert account.plan().changes == ()


def test_a_function_is_moved_in_with_rights_first_and_out_with_rights_last(applied: EmulatedAccount) -> None:
    before = applied.settings
    place(applied)
    applied.apply().raise_for_errors()
    assert applied.calls.mutating == ["iam.PutRolePolicy", "lambda.UpdateFunctionConfiguration"]
    assert applied.plan().changes == ()

    applied.settings = before
    applied.calls.clear()
    applied.apply().raise_for_errors()
    assert applied.calls.mutating == ["lambda.UpdateFunctionConfiguration", "iam.DeleteRolePolicy"]
    assert (network(applied), inline_policies(applied)) == ({}, [])
    assert applied.plan().changes == ()


def test_destroy_removes_the_function_before_its_rights(account: EmulatedAccount) -> None:
    place(account)
    account.apply().raise_for_errors()
    removed: list[str] = []
    for service, operation, name in (
        ("lambda", "DeleteFunction", "FunctionName"),
        ("iam", "DeleteRolePolicy", "PolicyName"),
    ):
        account.client(service).meta.events.register(
            f"provide-client-params.{service}.{operation}", lambda params, name=name, **_: removed.append(params[name])
        )
    account.destroy().raise_for_errors()
    assert removed.index(account.settings.function_name) < removed.index("network")
    account.apply().raise_for_errors()
    assert account.plan().changes == ()


@pytest.mark.parametrize(
    "given", [{"lambda_subnet_ids": ("subnet-0a",)}, {"lambda_security_group_ids": ("sg-0a",)}], ids=["alone", "groups"]
)
def test_subnets_and_security_groups_go_together(given: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(PlatformError, match="LAMBDA_SUBNET_IDS and LAMBDA_SECURITY_GROUP_IDS are not set together"):
        Settings(**given)  # type: ignore[arg-type]
