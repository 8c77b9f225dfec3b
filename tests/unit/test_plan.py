"""The planner against an account in memory: what is compared, how, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from infrastructure.errors import PlatformError
from infrastructure.planning.compare import ABSENT, Difference
from infrastructure.planning.plan import Action, Step, in_order, make_plan
from infrastructure.planning.resource import KNOWN_AFTER_APPLY, UNSUPPORTED, IfPresent, Ref, Resource, resource_id
from tests.unit.in_memory_account import Account, Thing


def only_step(*resources: Resource, **options: Any) -> Step:
    plan = make_plan(list(resources), **options)
    assert len(plan.steps) == 1
    return plan.steps[0]


def thing_with(actual: dict[str, Any], desired: dict[str, Any]) -> Thing:
    return Thing(name="a", account=Account({"a": actual}), properties=desired)


def test_what_is_absent_is_planned_as_created_with_every_property() -> None:
    step = only_step(Thing(name="a", account=Account(), properties={"Size": 4}))
    assert step.action is Action.CREATE
    assert step.differences == (Difference("Size", ABSENT, 4),)


def test_what_is_as_desired_is_no_change() -> None:
    assert only_step(thing_with({"Size": 4}, {"Size": 4})).action is Action.NONE


def test_a_changed_property_shows_old_and_new() -> None:
    step = only_step(thing_with({"RetentionHours": 24}, {"RetentionHours": 168}))
    assert step.action is Action.UPDATE
    assert step.differences == (Difference("RetentionHours", 24, 168),)


def test_a_nested_property_is_named_by_its_path() -> None:
    step = only_step(thing_with({"Block": {"Acls": False, "Policy": True}}, {"Block": {"Acls": True, "Policy": True}}))
    assert step.differences == (Difference("Block.Acls", False, True),)


def test_an_output_that_nobody_desires_is_not_compared() -> None:
    assert only_step(thing_with({"Size": 4, "Created": "today"}, {"Size": 4})).action is Action.NONE


def test_tags_of_others_are_left_alone_and_ours_are_compared() -> None:
    foreign = {"Team": "core", "aws:createdBy": "somebody"}
    assert only_step(thing_with({"Tags": foreign}, {"Tags": {"Team": "core"}})).action is Action.NONE
    step = only_step(thing_with({"Tags": foreign | {"Team": "x"}}, {"Tags": {"Team": "core"}}))
    assert step.differences == (Difference("Tags.Team", "x", "core"),)


def test_lists_that_are_sets_compare_in_any_order_and_others_do_not() -> None:
    assert only_step(thing_with({"Members": ["b", "a"]}, {"Members": ["a", "b"]})).action is Action.NONE
    assert only_step(thing_with({"Steps": ["b", "a"]}, {"Steps": ["a", "b"]})).action is Action.UPDATE


DENY = {"Sid": "Deny", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
ALLOW = {"Sid": "Allow", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["s3:Get*", "s3:List*"]}


def test_policies_are_compared_by_meaning() -> None:
    stored = (
        '{"Version":"2012-10-17","Statement":['
        '{"Sid":"Allow","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},'
        '"Action":["s3:List*","s3:Get*"]},'
        '{"Sid":"Deny","Effect":"Deny","Principal":{"AWS":"*"},"Action":["s3:*"],"Resource":["*"]}]}'
    )
    desired = {"Version": "2012-10-17", "Statement": [DENY, ALLOW]}
    assert only_step(thing_with({"Policy": stored}, {"Policy": desired})).action is Action.NONE


def test_a_dropped_statement_and_a_foreign_one_are_named_by_their_sid() -> None:
    foreign = {"Sid": "Hole", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    step = only_step(thing_with({"Policy": {"Statement": [ALLOW, foreign]}}, {"Policy": {"Statement": [ALLOW, DENY]}}))
    assert [(d.path, d.old == ABSENT, d.new == ABSENT) for d in step.differences] == [
        ("Policy.Statement[Deny]", True, False),
        ("Policy.Statement[Hole]", False, True),
    ]


def test_a_property_that_cannot_change_in_place_is_marked() -> None:
    assert only_step(thing_with({"Engine": "x"}, {"Engine": "y"})).blocked == {"Engine"}


def test_a_reference_takes_the_output_of_what_exists() -> None:
    account = Account({"key": {}, "bucket": {"Key": "arn:key:*"}})
    key = Thing(name="key", account=account)
    bucket = Thing(name="bucket", account=account, properties={"Key": Ref(key.id, "Arn", "{}:*")})
    assert make_plan([bucket, key]).changes == ()


def test_a_reference_to_what_does_not_exist_is_known_after_apply() -> None:
    account = Account({"bucket": {"Key": "none"}})
    key = Thing(name="key", account=account)
    bucket = Thing(name="bucket", account=account, properties={"Key": Ref(key.id, "Arn")})
    create, update = make_plan([key, bucket]).steps
    assert (create.resource, create.action) == (key, Action.CREATE)
    assert update.differences == (Difference("Key", "none", KNOWN_AFTER_APPLY),)


def test_what_is_no_longer_wanted_is_planned_as_removed() -> None:
    there = Thing(name="a", account=Account({"a": {}}), wanted=False)
    assert only_step(there).action is Action.DELETE
    assert only_step(Thing(name="a", account=Account(), wanted=False)).action is Action.NONE


def test_what_is_no_longer_wanted_stays_if_it_holds_data() -> None:
    plan = make_plan([Thing(name="a", account=Account({"a": {}}), wanted=False, keep="it holds alerts")])
    assert (plan.changes, [step.resource.name for step in plan.left_over]) == ((), ["a"])


def test_planning_makes_no_mutating_call() -> None:
    account = Account({"b": {"Size": 1}})
    make_plan([Thing(name="a", account=account), Thing(name="b", account=account, properties={"Size": 2})])
    assert account.calls == []


def test_dependencies_come_first_whether_named_or_referred_to() -> None:
    account = Account()
    a = Thing(name="a", account=account, properties={"Ref": [{"Deep": Ref(resource_id("Test::Thing", "b"), "Arn")}]})
    b = Thing(name="b", account=account, depends_on=(resource_id("Test::Thing", "c"),))
    c = Thing(name="c", account=account)
    assert [resource.name for resource in in_order([a, b, c])] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("names", "needs", "message"),
    [
        (("a", "b"), {"a": "b", "b": "a"}, "circle"),
        (("a",), {"a": "z"}, "nothing declares"),
        (("a", "a"), {}, "declared twice"),
    ],
)
def test_a_faulty_graph_is_refused(names: tuple[str, ...], needs: dict[str, str], message: str) -> None:
    account = Account()
    resources = [
        Thing(
            name=name,
            account=account,
            depends_on=(resource_id("Test::Thing", needs[name]),) if name in needs else (),
        )
        for name in names
    ]
    with pytest.raises(ValueError, match=message):
        in_order(resources)


def test_what_the_endpoint_does_not_implement_is_listed_and_is_no_change() -> None:
    account = Account(faults={"read a": NotImplementedError("The get_thing action has not been implemented")})
    plan = make_plan([Thing(name="a", account=account)])
    assert plan.changes == ()
    assert plan.unsupported[0].unsupported == {"": "The get_thing action has not been implemented"}


def test_what_needs_an_output_of_something_unsupported_is_unsupported_too() -> None:
    account = Account(faults={"read a": NotImplementedError("nothing of the kind")})
    a = Thing(name="a", account=account)
    b = Thing(name="b", account=account, properties={"A": Ref(a.id, "Arn")})
    assert [step.action for step in make_plan([a, b]).steps] == [Action.UNSUPPORTED, Action.UNSUPPORTED]


def test_a_property_that_cannot_be_read_here_is_no_change_and_is_listed() -> None:
    step = only_step(thing_with({"Metrics": UNSUPPORTED}, {"Metrics": ["ALL"]}))
    assert step.action is Action.NONE
    assert "Metrics" in step.unsupported


def test_a_property_that_emulators_drop_is_compared_on_aws_only() -> None:
    resource = thing_with({"Rotation": 365}, {"Rotation": 90})
    assert only_step(resource, emulated=True).action is Action.NONE
    assert only_step(resource, emulated=True).unsupported == {"Rotation": "dropped"}
    assert only_step(resource, emulated=False).action is Action.UPDATE


def test_what_is_not_selected_lends_its_outputs_and_is_not_planned() -> None:
    account = Account({"key": {"Size": 1}})
    key = Thing(name="key", account=account, properties={"Size": 2})
    bucket = Thing(name="bucket", account=account, properties={"Key": Ref(key.id, "Arn")})
    step = only_step(key, bucket, selected={bucket.id})
    assert step.differences == (Difference("Key", ABSENT, "arn:key"),)


def test_needing_what_is_neither_there_nor_selected_is_an_error_that_names_its_part() -> None:
    account = Account()
    key = Thing(name="key", account=account, part="security")
    bucket = Thing(name="bucket", account=account, part="data_storage", properties={"Key": Ref(key.id, "Arn")})
    with pytest.raises(PlatformError, match="Apply security first"):
        make_plan([key, bucket], selected={bucket.id})


@pytest.mark.parametrize(
    ("there", "planned", "stands"), [(False, False, False), (False, True, True), (True, False, True)]
)
def test_a_value_for_where_another_is_there_stands_if_that_exists_or_is_planned(
    there: bool, planned: bool, stands: bool
) -> None:
    account = Account({"warehouse": {}} if there else {})
    warehouse = Thing(name="warehouse", account=account)
    arguments = {"--mode": "x", "--load": IfPresent(warehouse.id, "yes")}
    job = Thing(name="job", account=account, after=(warehouse.id,), properties={"Arguments": arguments})
    plan = make_plan([job, warehouse], selected={job.id, warehouse.id} if planned else {job.id})
    (step,) = [step for step in plan.steps if step.resource is job]
    assert step.differences[0].new == {"--mode": "x"} | ({"--load": "yes"} if stands else {})


def test_a_read_that_fails_says_which_resource_and_what_to_do() -> None:
    account = Account(faults={"read a": ConnectionError("reset")})
    with pytest.raises(PlatformError, match=r"Test::Thing a: .*reset.*Repeat"):
        make_plan([Thing(name="a", account=account)])
