"""What a policy means: whom it lets in, and what it refuses to everybody."""

from __future__ import annotations

from typing import Any

import pytest

from data_governance.controls.policy_meaning import allows, denies, let_in, statements

ACCOUNT, OTHER = "123456789012", "210987654321"
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/analyst"
OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def policy(**statement: Any) -> dict[str, Any]:
    return {"Statement": {"Sid": "S", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}}


STRANGERS: dict[str, tuple[dict[str, Any], bool]] = {
    "nobody": ({"Effect": "Deny", "Principal": "*"}, False),
    "everybody": ({"Principal": "*"}, True),
    "everybody as AWS": ({"Principal": {"AWS": "*"}}, True),
    "everybody among others": ({"Principal": {"AWS": [OWN_ROLE, "*"]}}, True),
    "everybody of the account": (
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        False,
    ),
    "everybody of the account, in other letters": (
        {"Principal": "*", "Condition": {"stringEquals": {"AWS:SourceOwner": [ACCOUNT]}}},
        False,
    ),
    "everybody of two accounts": (
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, OTHER]}}},
        True,
    ),
    "everybody but the account": (
        {"Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        True,
    ),
    "everybody whose account is not sent": (
        {"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:PrincipalAccount": ACCOUNT}}},
        True,
    ),
    "everybody if any value fits": (
        {"Principal": "*", "Condition": {"ForAllValues:StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        True,
    ),
    "everybody with TLS": ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    "everybody of an organisation": (
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        True,
    ),
    "a role of the account by its pattern": (
        {"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}},
        False,
    ),
    "a role of any account by its pattern": (
        {"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/analyst"}}},
        True,
    ),
    "a role of the account": ({"Principal": {"AWS": OWN_ROLE}}, False),
    "the account by its digits": ({"Principal": {"AWS": ACCOUNT}}, False),
    "another account by its digits": ({"Principal": {"AWS": OTHER}}, True),
    "another account's root": ({"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}, True),
    "every account's root": ({"Principal": {"AWS": "arn:aws:iam::*:root"}}, True),
    "a principal that was deleted": ({"Principal": {"AWS": "AROAEXAMPLEID"}}, True),
    "all but one": ({"NotPrincipal": {"AWS": OWN_ROLE}}, True),
    "a web identity": ({"Principal": {"Federated": "accounts.google.com"}}, True),
    "a canonical user": ({"Principal": {"CanonicalUser": "0123"}}, True),
    "a service for the account": ({"Principal": {"Service": "sns.amazonaws.com"}, "Condition": OURS}, False),
    "a service that may not say for whom": (
        {
            "Principal": {"Service": "glue.amazonaws.com"},
            "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}},
        },
        False,
    ),
    "a service for an ARN of the account": (
        {
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudtrail:eu-central-1:{ACCOUNT}:trail/x"}},
        },
        False,
    ),
    "a service for a bucket, whose ARN names no account": (
        {
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::x-*"}},
        },
        True,
    ),
    "a service for anybody": ({"Principal": {"Service": "sns.amazonaws.com"}}, True),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_whom_a_statement_lets_in(name: str) -> None:
    statement, stranger = STRANGERS[name]
    assert bool(list(let_in(policy(**statement), ACCOUNT))) is stranger


def test_a_finding_names_statement_action_and_principal() -> None:
    (found,) = let_in(policy(Principal={"AWS": OTHER}), ACCOUNT)
    assert found == f"statement S allows s3:GetObject to {OTHER}"


TLS = {"Bool": {"aws:SecureTransport": "false"}}
WHOLE = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}
DENIES: dict[str, tuple[dict[str, Any], bool]] = {
    "everything to everybody": ({}, True),
    "all actions of all services on everything": ({"Action": "*", "Resource": "*"}, True),
    "in the form of a map": ({"Principal": {"AWS": ["*"]}}, True),
    "a boolean instead of its text": ({"Condition": {"Bool": {"aws:SecureTransport": False}}}, True),
    "the condition in a list": ({"Condition": {"Bool": {"AWS:SecureTransport": ["false"]}}}, True),
    "to one user": ({"Principal": {"AWS": OWN_ROLE}}, False),
    "to all but one user": ({"Principal": None, "NotPrincipal": {"AWS": OWN_ROLE}}, False),
    "one action": ({"Action": "s3:GetObject"}, False),
    "reading actions": ({"Action": "s3:Get*"}, False),
    "all but one action": ({"Action": None, "NotAction": "s3:GetObject"}, False),
    "the bucket without its objects": ({"Resource": "arn:aws:s3:::b"}, False),
    "one prefix": ({"Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/raw/*"]}, False),
    "another bucket": ({"Resource": ["arn:aws:s3:::c", "arn:aws:s3:::c/*"]}, False),
    "all but a prefix": ({"Resource": None, "NotResource": "arn:aws:s3:::b/raw/*"}, False),
    "under a second condition": ({"Condition": TLS | {"StringEquals": {"aws:username": "a"}}}, False),
    "under a second key": ({"Condition": {"Bool": {"aws:SecureTransport": "false", "x": "y"}}}, False),
    "under the opposite": ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
    "without a condition": ({"Condition": None}, False),
    "an Allow": ({"Effect": "Allow"}, False),
}


@pytest.mark.parametrize("name", DENIES)
def test_a_deny_that_is_narrower_than_all_is_none(name: str) -> None:
    changed, whole = DENIES[name]
    statement = {key: value for key, value in (WHOLE | {"Condition": TLS} | changed).items() if value is not None}
    found = denies({"Statement": [statement]}, "s3:*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], TLS)
    assert found is whole


def test_two_denies_that_cover_it_together_are_not_taken_for_one() -> None:
    halves = [WHOLE | {"Condition": TLS, "Resource": each} for each in WHOLE["Resource"]]
    assert not denies({"Statement": halves}, "s3:*", WHOLE["Resource"], TLS)


@pytest.mark.parametrize(
    ("action", "reached"),
    [
        ("kinesis:GetRecords", True),
        ("kinesis:Get*", True),
        ("KINESIS:getrecords", True),
        ("*", True),
        ("kinesis:GetRecord?", True),
        ("kinesis:DescribeStream", False),
        ("kinesis:Put*", False),
    ],
)
def test_an_action_is_reached_by_name_and_by_wildcard(action: str, reached: bool) -> None:
    assert bool(list(allows(policy(Action=action), "kinesis:GetRecords"))) is reached


def test_all_but_one_action_is_every_action() -> None:
    assert list(allows({"Statement": [{"Effect": "Allow", "NotAction": "s3:GetObject"}]}, "kinesis:GetRecords"))


@pytest.mark.parametrize("text", ["", None, "{}"])
def test_no_policy_has_no_statements(text: str | None) -> None:
    assert statements(text or None) == []


@pytest.mark.parametrize("document", ["not json", '{"Statement": ["x"]}'])
def test_what_is_no_policy_is_refused(document: str) -> None:
    with pytest.raises(ValueError):
        statements(document)
