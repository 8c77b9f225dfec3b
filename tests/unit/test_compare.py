"""Canonical form: equal meanings become equal values, different ones stay different, and differences are complete."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.planning.compare import ABSENT, canonical, canonical_policy, differences

_WORDS = st.text("abcXYZ:*/-", min_size=1, max_size=8)
_ONE_OR_MORE = st.one_of(_WORDS, st.lists(_WORDS, min_size=1, max_size=3, unique=True))
_STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": _ONE_OR_MORE, "Resource": _ONE_OR_MORE},
    optional={
        "Principal": st.one_of(st.just("*"), st.fixed_dictionaries({"AWS": _ONE_OR_MORE})),
        "Condition": st.dictionaries(
            st.sampled_from(["StringEquals", "Bool"]), st.dictionaries(_WORDS, _ONE_OR_MORE, min_size=1, max_size=2)
        ),
    },
)
_POLICIES = st.builds(
    lambda statements: {"Version": "2012-10-17", "Statement": statements}, st.lists(_STATEMENTS, max_size=4)
)
_SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORDS, inner, max_size=3)),
    max_leaves=8,
)


def rewritten(policy: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The same policy as IAM might return it: in another order, single elements in or out of their lists."""
    policy = copy.deepcopy(policy)
    chance.shuffle(policy["Statement"])
    for statement in policy["Statement"]:
        for key in ("Action", "Resource"):
            value = statement[key]
            if isinstance(value, list):
                chance.shuffle(value)
                statement[key] = value[0] if len(value) == 1 else value
            else:
                statement[key] = [value]
        if statement.get("Principal") == "*":
            statement["Principal"] = {"AWS": "*"}
    return policy


@given(_POLICIES, st.randoms(use_true_random=False))
def test_a_policy_stored_in_another_form_is_the_same(policy: dict[str, Any], chance: random.Random) -> None:
    stored = json.dumps(rewritten(policy, chance))
    assert canonical_policy(stored) == canonical_policy(policy)


@given(_POLICIES)
def test_canonical_form_is_final(policy: dict[str, Any]) -> None:
    once = canonical_policy(policy)
    assert canonical_policy(once) == once
    assert canonical_policy(json.dumps(once)) == once


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"},
        {"Action": ["s3:GetObject", "s3:PutObject"]},
        {"NotResource": "*"},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_another_meaning_is_another_value(changed: dict[str, Any]) -> None:
    statement = {
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Principal": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    before = canonical_policy({"Statement": statement})
    assert canonical_policy({"Statement": statement | changed}) != before


def test_true_and_its_text_are_one_in_a_condition() -> None:
    def policy(value: Any) -> dict[str, Any]:
        return {"Statement": [{"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": value}}}]}

    assert canonical_policy(policy(False)) == canonical_policy(policy("false")) == canonical_policy(policy(["false"]))


def test_no_policy_is_none_and_not_an_empty_one() -> None:
    assert canonical_policy(None) is None
    assert canonical_policy("") is None


@given(_SHAPES, _SHAPES)
def test_values_differ_exactly_where_differences_are_told(old: Any, new: Any) -> None:
    old, new = canonical(old), canonical(new)
    assert bool(list(differences("P", old, new))) is (old != new)


def test_a_key_without_a_value_is_no_key() -> None:
    assert canonical({"a": None, "b": {"c": None}}) == {"b": {}}


@given(_SHAPES)
def test_a_value_does_not_differ_from_its_copy(value: Any) -> None:
    assert list(differences("P", canonical(value), canonical(copy.deepcopy(value)))) == []


def test_named_elements_are_compared_by_name_in_any_order() -> None:
    old = [{"ID": "a", "Days": 1}, {"ID": "b", "Days": 2}]
    new = [{"ID": "b", "Days": 3}, {"ID": "a", "Days": 1}, {"ID": "c", "Days": 4}]
    assert [(d.path, d.old, d.new) for d in differences("Rules", old, new)] == [
        ("Rules[b].Days", 2, 3),
        ("Rules[c]", ABSENT, {"ID": "c", "Days": 4}),
    ]


def test_elements_that_share_a_name_are_compared_as_a_whole() -> None:
    old = [{"Key": "a", "Value": 1}, {"Key": "a", "Value": 2}]
    new = [{"Key": "a", "Value": 2}]
    assert [d.path for d in differences("Filters", old, new)] == ["Filters"]


@pytest.mark.parametrize(
    "odd",
    [
        "no JSON",
        {"Statement": "Allow"},
        {"Statement": ["Allow", {"Sid": "A"}]},
        {"Statement": [{"Principal": "210987654321", "Action": 7, "Condition": ["x"]}]},
        {"Statement": [{"Principal": ["a", "b"], "Condition": {"Bool": "x"}, "Resource": [{"Ref": "x"}]}]},
        ["a", "list"],
    ],
    ids=str,
)
def test_a_policy_of_a_form_that_nobody_here_writes_is_compared_and_never_a_crash(odd: Any) -> None:
    found = canonical(odd, policy=True)
    assert found == canonical(odd, policy=True)
    ours = canonical({"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Deny"}]}, policy=True)
    assert list(differences("Policy", found, ours))


def test_a_principal_without_its_kind_is_an_account_or_all() -> None:
    bare = {"Statement": [{"Principal": "210987654321"}]}
    named = {"Statement": [{"Principal": {"AWS": "arn:aws:iam::210987654321:root"}}]}
    assert canonical(bare, policy=True) == canonical(named, policy=True)
