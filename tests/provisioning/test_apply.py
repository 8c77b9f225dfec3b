"""Applying to an account: everything stands, a second apply changes nothing, a crash anywhere is made good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_processing.deploy_deliver_alerts import resources as webhook
from infrastructure import provisioning
from infrastructure.aws.dynamodb import DynamoDBTable
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import Outcome
from infrastructure.planning.plan import Action
from infrastructure.planning.resource import resource_id
from infrastructure.references import fraud_table_name, webhook_secret_id
from infrastructure.settings import KEY_PURPOSES, Settings
from tests.provisioning.account import CORE, EmulatedAccount, Killed
from tests.unit.in_memory_account import NoClients

# The parts that the stream of alerts is in, and what they need.
STREAM_OF_ALERTS = (*CORE, "data_catalog", "data_processing", "monitoring")


def test_an_empty_account_is_planned_as_all_created_without_a_mutating_call(account: EmulatedAccount) -> None:
    plan = account.plan(only=())
    assert {step.action for step in plan.steps if step.resource.wanted} <= {Action.CREATE, Action.UNSUPPORTED}
    assert {step.action for step in plan.steps if not step.resource.wanted} == {Action.NONE}
    assert account.calls.mutating == []


def test_apply_makes_what_was_planned(account: EmulatedAccount) -> None:
    planned = {step.resource.id for step in account.plan().changes}
    report = account.apply()
    assert report.errors == ()
    assert {result.resource.id for result in report.of(Outcome.DONE)} == planned


def test_a_second_apply_of_everything_makes_no_mutating_call(settings: Settings) -> None:
    with emulated_aws():
        account = EmulatedAccount(settings)
        assert account.apply().errors == ()
        assert [(step.resource.id, step.differences) for step in account.plan().changes] == []
        account.calls.clear()
        account.apply()
        assert account.calls.mutating == []
        assert account.calls.made != []


def test_what_a_setting_leaves_out_is_removed_but_for_data_and_a_third_apply_is_quiet() -> None:
    with_all = Settings(alarm_silence_minutes=20, fraud_webhook_url="https://fraud.bank.example/alerts")
    without = replace(with_all, alarm_silence_minutes=0, glue_every_minutes=0, stream_alerts=False)
    with emulated_aws():
        before = EmulatedAccount(with_all, parts=STREAM_OF_ALERTS)
        before.apply().raise_for_errors()
        after = EmulatedAccount(without, calls=before.calls, parts=STREAM_OF_ALERTS)
        after.apply().raise_for_errors()
        asked = {resource.id for resource in after.resources() if resource.wanted}
        left_out = [resource for resource in before.resources() if resource.wanted and resource.id not in asked]
        assert {"AWS::SNS::Topic", "AWS::IAM::Role", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"} <= {
            resource.type for resource in left_out
        }
        still = {resource: actual for resource in left_out if (actual := resource.read())}
        assert {resource.id: resource.is_leaving(actual) for resource, actual in still.items()} == {
            resource_id(DynamoDBTable.type, fraud_table_name(without)): False,
            webhook_secret_id(without): True,
        }
        before.calls.clear()
        after.apply().raise_for_errors()
        assert before.calls.mutating == []


def test_an_accounts_alerts_are_not_posted_without_tls() -> None:
    settings = Settings(fraud_webhook_url="http://localhost/")
    assert webhook(settings, NoClients(emulated=True))
    with pytest.raises(PlatformError, match="without TLS"):
        webhook(settings, NoClients(emulated=False))


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2"])
def test_other_regions_work_too(region: str) -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region=region), parts=CORE)
        assert account.apply().errors == ()
        assert account.plan().changes == ()
        raw = account.settings.bucket("raw")
        location = account.client("s3").get_bucket_location(Bucket=raw)["LocationConstraint"]
        assert location == (None if region == "us-east-1" else region)


def test_settings_of_prod_stand_and_apply_twice_is_quiet_there() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(environment="prod", stream_mode="PROVISIONED", shard_count=2))
        assert account.apply().errors == ()
        account.calls.clear()
        account.apply()
        assert account.calls.mutating == []


@pytest.fixture(scope="module")
def calls_of_one_apply() -> int:
    """How many mutating calls an apply to an empty account makes."""
    with emulated_aws():
        account = EmulatedAccount(Settings(), parts=CORE)
        account.apply()
        return len(account.calls.mutating)


@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "after it was done"])
@pytest.mark.parametrize("part", [0.03, 0.25, 0.5, 0.75, 0.97])
def test_a_crash_at_any_call_is_made_good_by_the_next_apply(part: float, after: bool, calls_of_one_apply: int) -> None:
    number = max(1, int(part * calls_of_one_apply))

    def die(name: str, count: int) -> None:
        if count >= number:
            raise Killed(name)

    with emulated_aws():
        account = EmulatedAccount(Settings(), parts=CORE)
        if after:
            account.calls.after = die
        else:
            account.calls.before = die
        with pytest.raises(Killed):
            account.apply()
        account.calls.before = account.calls.after = lambda name, count: None
        assert account.apply().errors == ()
        assert account.plan().changes == ()
        # Nothing was made twice: resources without a unique name are counted.
        assert len(account.client("kms").list_keys()["Keys"]) == len(KEY_PURPOSES)
        mappings = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert len(mappings) == 1


def test_parts_can_be_left_out_and_run_alone(account: EmulatedAccount) -> None:
    account.apply(except_=["data_ingestion"]).raise_for_errors()
    assert account.client("kinesis").list_streams()["StreamNames"] == []
    report = account.apply(only=["data_ingestion"])
    assert report.errors == ()
    assert {result.resource.part for result in report.changed} == {"data_ingestion"}
    assert account.plan().changes == ()


def test_a_part_alone_names_the_part_that_it_needs_first(account: EmulatedAccount) -> None:
    with pytest.raises(PlatformError, match=r"Apply \w+ first"):
        account.apply(only=["data_ingestion"])
    assert account.calls.mutating == []


def test_a_part_that_does_not_exist_is_refused(account: EmulatedAccount) -> None:
    with pytest.raises(PlatformError, match="there is no part 'kinesis'"):
        account.plan(only=["kinesis"])


@pytest.mark.parametrize(("part", "folder"), provisioning.FOLDER_OF.items())
def test_a_folder_covers_the_parts_within_it(folder: str, part: str, settings: Settings) -> None:
    with emulated_aws():
        resources = EmulatedAccount(settings).resources()

    def parts(**options: list[str]) -> set[str]:
        selected = provisioning.select(resources, **options)
        return {resource.part for resource in resources if resource.id in selected}

    everything = parts()
    assert part in everything
    assert parts(only=[folder]) == {folder, part} & everything
    assert parts(only=[part]) == {part}
    assert parts(except_=[folder]) == everything - {folder, part}
    assert parts(except_=[part]) == everything - {part}


def test_a_selection_that_selects_nothing_is_an_error_that_names_the_parts(account: EmulatedAccount) -> None:
    with pytest.raises(PlatformError, match="nothing is left") as refused:
        provisioning.select(account.resources(), only=["athena"], except_=["data_catalog"])
    assert refused.value.todo == "There are security, data_storage, data_ingestion."
