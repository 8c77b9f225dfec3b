"""Which events of the audit trail count as reads by others. The patterns are CloudWatch Logs' own."""

from __future__ import annotations

from typing import Any

import pytest

from data_governance.enable_cloudtrail_logging import foreign_key_reads_pattern, foreign_reads_pattern
from infrastructure.local.metric_filters import matches
from infrastructure.settings import Settings

SETTINGS = Settings(region="eu-central-1")
SECRET_ARN = SETTINGS.arn("secretsmanager", f"secret:{SETTINGS.tokenization_secret_name}-AbCdEf")


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
    assert matches(foreign_key_reads_pattern(SETTINGS), event) is expected


@pytest.mark.parametrize("name", ["GetShardIterator", "SubscribeToShard"])
@pytest.mark.parametrize(("who", "expected"), [(OURS, False), (OTHERS, True)])
def test_who_starts_to_read_the_stream_counts_unless_it_is_the_function(name: str, who: str, expected: bool) -> None:
    event = {
        "eventSource": "kinesis.amazonaws.com",
        "eventName": name,
        "userIdentity": {"arn": who},
        "resources": [{"ARN": SETTINGS.stream_arn}],
    }
    assert matches(foreign_reads_pattern(SETTINGS), event) is expected


def test_a_selector_of_what_is_not_there_holds_neither_way() -> None:
    assert not matches('{ ($.a.b = "x*") }', {"a": "x"})
    assert not matches('{ ($.a[0].b != "x") }', {"a": []})


def test_a_condition_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="no condition"):
        matches("{ ($.a EXISTS) }", {})
