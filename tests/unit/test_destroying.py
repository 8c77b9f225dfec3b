"""Destroying in an account in memory: order, what is kept, what must stay."""

from __future__ import annotations

import pytest

from infrastructure.planning.apply import Outcome, Report
from infrastructure.planning.destroy import plan_destruction
from infrastructure.planning.resource import DeletionPending, Ref, resource_id
from tests.unit.in_memory_account import Account, Thing


def id_of(name: str) -> str:
    return resource_id("Test::Thing", name)


def destroy(*things: Thing, delete_data: bool = False, selected: set[str] | None = None) -> Report:
    ids = {thing.id for thing in things} if selected is None else {id_of(name) for name in selected}
    return plan_destruction(list(things), ids, delete_data=delete_data).carry_out()


def outcomes(report: Report) -> dict[str, Outcome]:
    return {result.resource.name: result.outcome for result in report.results}


def full(*names: str) -> Account:
    return Account({name: {} for name in names})


def test_dependants_go_before_what_they_depend_on() -> None:
    account = full("a", "b", "c")
    destroy(
        Thing(name="a", account=account),
        Thing(name="b", account=account, properties={"A": Ref(id_of("a"), "Arn")}),
        Thing(name="c", account=account, depends_on=(id_of("b"),)),
    )
    assert account.calls == ["delete c", "delete b", "delete a"]


def guarded(account: Account, remains: DeletionPending | None = None) -> tuple[Thing, Thing, Thing]:
    """A bucket, its policy, and another bucket that logs to it."""
    bucket = Thing(name="bucket", account=account, remains=remains)
    policy = Thing(name="policy", account=account, depends_on=(bucket.id,), guards=bucket.id)
    logging = Thing(name="logging", account=account, depends_on=(policy.id,))
    return bucket, policy, logging


def test_a_guard_goes_with_what_it_guards_and_is_never_removed_before() -> None:
    account = full("bucket", "policy", "logging")
    report = destroy(*guarded(account))
    assert account.calls == ["delete logging", "delete bucket"]
    assert outcomes(report)["policy"] is Outcome.DONE


def test_a_guard_stays_with_what_could_not_go() -> None:
    account = full("bucket", "policy", "logging")
    report = destroy(*guarded(account, DeletionPending("locked", needs_dependencies=True)))
    assert outcomes(report) == {
        "logging": Outcome.DONE,
        "bucket": Outcome.DELETION_PENDING,
        "policy": Outcome.KEPT,
    }


def test_a_guard_stays_with_what_was_kept_from_the_start() -> None:
    account = full("bucket", "policy", "logging")
    bucket, policy, logging = guarded(account)
    bucket.keep = "it holds data"
    report = destroy(bucket, policy, logging)
    assert account.calls == ["delete logging"]
    assert outcomes(report)["policy"] is Outcome.KEPT


def test_what_needs_a_guard_keeps_what_it_guards() -> None:
    account = full("bucket", "policy", "logging")
    bucket, policy, logging = guarded(account)
    logging.remains = DeletionPending("locked", needs_dependencies=True)
    destroy(bucket, policy, logging)
    assert account.calls == ["delete logging"]


def test_what_does_not_exist_is_not_touched() -> None:
    account = full("a")
    destroy(Thing(name="a", account=account), Thing(name="b", account=account))
    assert account.calls == ["delete a"]


@pytest.mark.parametrize(("delete_data", "expected"), [(False, []), (True, ["delete bucket", "delete key"])])
def test_data_and_what_it_needs_stay_unless_data_is_to_go(delete_data: bool, expected: list[str]) -> None:
    account = full("key", "bucket")
    key = Thing(name="key", account=account)
    bucket = Thing(name="bucket", account=account, keep="it holds data", properties={"Key": Ref(key.id, "Arn")})
    report = destroy(key, bucket, delete_data=delete_data)
    assert account.calls == expected
    if not delete_data:
        notes = {result.resource.name: result.note for result in report.results}
        assert notes == {"bucket": "it holds data", "key": "bucket needs it"}


def test_data_that_does_not_exist_keeps_nothing() -> None:
    account = full("key")
    key = Thing(name="key", account=account)
    destroy(key, Thing(name="bucket", account=account, keep="it holds data", depends_on=(key.id,)))
    assert account.calls == ["delete key"]


def test_what_turns_out_to_be_bound_keeps_what_it_needs() -> None:
    account = full("key", "bucket", "other")
    key = Thing(name="key", account=account)
    locked = DeletionPending("locked until 2030-01-01", needs_dependencies=True)
    bucket = Thing(name="bucket", account=account, remains=locked, depends_on=(key.id,))
    report = destroy(key, bucket, Thing(name="other", account=account), delete_data=True)
    assert outcomes(report) == {"bucket": Outcome.DELETION_PENDING, "key": Outcome.KEPT, "other": Outcome.DONE}
    assert "key" in account.things


def test_what_is_needed_through_something_that_is_gone_already_stays_too() -> None:
    account = full("log-bucket", "bucket")
    logs = Thing(name="log-bucket", account=account)
    policy = Thing(name="log-policy", account=account, depends_on=(logs.id,))
    locked = DeletionPending("locked until 2030-01-01", needs_dependencies=True)
    bucket = Thing(name="bucket", account=account, keep="it holds data", remains=locked, depends_on=(policy.id,))
    for delete_data in (False, True):
        destroy(logs, policy, bucket, delete_data=delete_data)
        assert "log-bucket" in account.things


def test_what_only_waits_for_its_deletion_keeps_nothing() -> None:
    account = full("key", "secret")
    key = Thing(name="key", account=account)
    secret = Thing(name="secret", account=account, remains=DeletionPending("until 2030-01-01"), depends_on=(key.id,))
    assert outcomes(destroy(key, secret)) == {"secret": Outcome.DELETION_PENDING, "key": Outcome.DONE}


def test_a_failure_keeps_what_the_failed_one_needs_and_the_rest_goes_on() -> None:
    account = full("role", "function", "queue")
    account.faults["delete function"] = ConnectionError("reset")
    role = Thing(name="role", account=account)
    function = Thing(name="function", account=account, depends_on=(role.id,))
    report = destroy(role, function, Thing(name="queue", account=account))
    assert outcomes(report) == {"function": Outcome.FAILED, "role": Outcome.KEPT, "queue": Outcome.DONE}
    assert len(report.errors) == 1


def test_a_part_alone_leaves_the_others() -> None:
    account = full("a", "b")
    destroy(Thing(name="a", account=account), Thing(name="b", account=account), selected={"a"})
    assert account.calls == ["delete a"]


def test_planning_makes_no_mutating_call() -> None:
    account = full("a")
    destruction = plan_destruction([Thing(name="a", account=account)], {id_of("a")})
    assert [step.resource.name for step in destruction.deletions] == ["a"]
    assert account.calls == []
