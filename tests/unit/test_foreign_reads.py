"""Which events of the audit trail count as reads by others. The patterns are CloudWatch Logs' own, evaluated here."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from data_governance.enable_cloudtrail_logging import foreign_key_reads_pattern, foreign_reads_pattern
from infrastructure.settings import Settings

SETTINGS = Settings(region="eu-central-1")
SECRET_ARN = SETTINGS.arn("secretsmanager", f"secret:{SETTINGS.tokenization_secret_name}-AbCdEf")
_CONDITION = re.compile(r'\(\$\.(\S+) (=|!=) "([^"]*)"\)')


def counts(pattern: str, event: dict[str, Any]) -> bool:
    """Whether the filter takes the event: terms with && between, one of them a list with || between."""
    inner = pattern.removeprefix("{ ").removesuffix(" }")
    results = []
    for term in inner.split(" && "):
        results.append(any(_holds(event, *condition) for condition in _CONDITION.findall(term)))
    return all(results)


def _holds(event: dict[str, Any], path: str, sign: str, wanted: str) -> bool:
    value: Any = event
    for part in re.findall(r"[^.\[\]]+", path):
        value = value[int(part)] if part.isdigit() else value.get(part)
    return fnmatchcase(str(value), wanted) is (sign == "=")


def session(role: str) -> str:
    return f"arn:aws:sts::{SETTINGS.account_id}:assumed-role/{role}/somebody"


def asked(secret: str, who: str, **more: Any) -> dict[str, Any]:
    return {
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "userIdentity": {"arn": who},
        "requestParameters": {"secretId": secret},
    } | more


OURS, OTHERS = session(SETTINGS.role_name("lambda")), session("admin")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (asked(SETTINGS.tokenization_secret_name, OURS), False),
        (asked(SECRET_ARN, OURS), False),
        (asked(SETTINGS.tokenization_secret_name, OTHERS), True),
        (asked(SECRET_ARN, OTHERS), True),
        (asked(SECRET_ARN, OTHERS, errorCode="AccessDeniedException"), True),
        (asked(SECRET_ARN, f"arn:aws:iam::{SETTINGS.account_id}:root"), True),
        (asked(SECRET_ARN, session(f"{SETTINGS.role_name('lambda')}-x")), True),
        (asked("another/secret", OTHERS), False),
        (asked(SECRET_ARN, OTHERS, eventName="DescribeSecret"), False),
    ],
)
def test_a_read_of_the_token_key_counts_unless_the_function_reads(event: dict[str, Any], expected: bool) -> None:
    assert counts(foreign_key_reads_pattern(SETTINGS), event) is expected


@pytest.mark.parametrize("name", ["GetShardIterator", "SubscribeToShard"])
@pytest.mark.parametrize(("who", "expected"), [(OURS, False), (OTHERS, True)])
def test_who_starts_to_read_the_stream_counts_unless_it_is_the_function(name: str, who: str, expected: bool) -> None:
    event = {
        "eventSource": "kinesis.amazonaws.com",
        "eventName": name,
        "userIdentity": {"arn": who},
        "resources": [{"ARN": SETTINGS.stream_arn}],
    }
    assert counts(foreign_reads_pattern(SETTINGS), event) is expected
