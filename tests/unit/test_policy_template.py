"""Policies from templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infrastructure.aws.policy_template import policy_from
from infrastructure.planning.resource import Ref


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    statements = [
        {"Sid": "One", "Resource": "${arn}", "Condition": {"StringEquals": {"aws:SourceAccount": "${account}"}}},
        {"Sid": "Two", "Resource": ["${arn}/*", "*"]},
    ]
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return path


def test_placeholders_are_filled_in_at_any_depth(template: Path) -> None:
    policy = policy_from(template, {"arn": "arn:x", "account": "123456789012"})
    assert policy["Statement"] == [
        {"Sid": "One", "Resource": "arn:x", "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}},
        {"Sid": "Two", "Resource": ["arn:x/*", "*"]},
    ]


def test_only_the_named_statements_are_taken_in_their_order(template: Path) -> None:
    policy = policy_from(template, {"arn": "arn:x"}, sids=("Two",))
    assert [statement["Sid"] for statement in policy["Statement"]] == ["Two"]


def test_a_value_known_after_apply_stands_as_it_is(template: Path) -> None:
    ref = Ref("key", "Arn")
    policy = policy_from(template, {"arn": ref, "account": "1"}, sids=("One",))
    assert policy["Statement"][0]["Resource"] is ref


@pytest.mark.parametrize(("values", "sids"), [({}, ("Two",)), ({"arn": "x"}, ("Three",))])
def test_a_missing_value_or_statement_is_noticed(template: Path, values: dict[str, str], sids: tuple[str, ...]) -> None:
    with pytest.raises(KeyError):
        policy_from(template, values, sids=sids)
