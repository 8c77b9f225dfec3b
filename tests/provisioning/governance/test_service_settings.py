"""What the services' settings change in an account, and that unsetting them takes it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount

BOUNDARY = "arn:aws:iam::123456789012:policy/bank-boundary"


def configure(account: EmulatedAccount, **changed: Any) -> None:
    account.settings = replace(account.settings, **changed)


def boundaries(account: EmulatedAccount) -> set[str | None]:
    """The boundaries of the platform's roles."""
    iam = account.client("iam")
    roles = [iam.get_role(RoleName=role["RoleName"])["Role"] for role in iam.list_roles()["Roles"]]
    return {role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") for role in roles}


def test_the_boundary_is_on_every_role_comes_back_and_goes_with_its_setting() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=("security",))
        configure(account, permissions_boundary_arn=BOUNDARY)
        account.apply().raise_for_errors()
        assert boundaries(account) == {BOUNDARY}
        account.client("iam").delete_role_permissions_boundary(RoleName=account.settings.role_name("glue"))
        (step,) = account.plan().changes
        assert [difference.path for difference in step.differences] == ["PermissionsBoundary"]
        account.apply().raise_for_errors()
        assert boundaries(account) == {BOUNDARY}
        configure(account, permissions_boundary_arn="")
        account.apply().raise_for_errors()
        assert boundaries(account) == {None}


def test_addresses_are_subscribed_once_and_those_of_others_are_left_alone() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=("security", "monitoring"))
        configure(account, alarm_emails=("oncall@bank.example", "data@bank.example"))
        account.apply().raise_for_errors()
        sns = account.client("sns")
        topic = account.settings.arn("sns", f"{account.settings.prefix}-alarms")
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="auditor@bank.example")
        account.calls.clear()
        account.apply().raise_for_errors()
        assert account.calls.mutating == []
        found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert sorted(each["Endpoint"] for each in found) == [
            "auditor@bank.example",
            "data@bank.example",
            "oncall@bank.example",
        ]


def test_where_the_bank_schedules_the_job_an_existing_trigger_is_removed() -> None:
    with emulated_aws():
        account = EmulatedAccount(
            Settings(region="eu-central-1"), parts=("security", "data_storage", "data_processing")
        )
        account.apply().raise_for_errors()
        assert account.client("glue").list_triggers()["TriggerNames"] != []
        configure(account, glue_every_minutes=0)
        account.apply().raise_for_errors()
        assert account.client("glue").list_triggers()["TriggerNames"] == []
        assert account.plan().changes == ()
