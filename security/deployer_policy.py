"""What an identity needs that deploys and operates the platform: the template filled in, in parts that IAM takes.

    python security/deployer_policy.py        # print the parts as JSON, for the settings of .env

security/deployer_policy.json has it. Its statements whose Sid begins with Operate are for the day-to-day commands
(produce, status, reconcile, replay, quarantine, trace, load, maintain); an identity that only deploys does without.
Erasing is for an identity of its own (docs/erasure.md). A managed policy holds 6,144 characters without spaces, so the
statements are dealt out to several, each to be attached to the same role.

The actions are those of the calls that each type of resource and each command makes (`permissions` beside it), and
those that AWS checks besides (`implied`); a test holds them equal, and to the calls that an emulator has recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infrastructure.aws.policy_template import policy_from
from infrastructure.references import (
    fraud_function_name,
    fraud_queue_name,
    fraud_table_name,
    fraud_topic_name,
    webhook_function_name,
    webhook_queue_name,
)
from infrastructure.settings import Settings

TEMPLATE = Path(__file__).with_name("deployer_policy.json")
OPERATE = "Operate"
MOST_CHARACTERS = 6144


def deployer_policies(settings: Settings, *, operates: bool = True) -> list[dict[str, Any]]:
    """The policies, each short enough. operates: with the statements of the day-to-day commands."""
    statements = _statements(settings)
    return list(_dealt(each for each in statements if operates or not each["Sid"].startswith(OPERATE)))


def _statements(settings: Settings) -> list[dict[str, Any]]:
    values = {
        "partition": settings.partition,
        "region": settings.region,
        "account_id": settings.account_id,
        "project": settings.project,
        "environment": settings.environment,
        "prefix": settings.prefix,
        "stream_arn": settings.stream_arn,
        "function_arn": settings.function_arn,
        "on_failure_queue_arn": settings.on_failure_queue_arn,
        "fraud_function_arn": settings.arn("lambda", f"function:{fraud_function_name(settings)}"),
        "fraud_queue_arn": settings.arn("sqs", fraud_queue_name(settings)),
        "fraud_table_arn": settings.arn("dynamodb", f"table/{fraud_table_name(settings)}"),
        "webhook_function_arn": settings.arn("lambda", f"function:{webhook_function_name(settings)}"),
        "webhook_queue_arn": settings.arn("sqs", webhook_queue_name(settings)),
        "fraud_topic_arn": settings.arn("sns", fraud_topic_name(settings)),
        "glue_arn": f"arn:{settings.partition}:glue:{settings.region}:{settings.account_id}",
        "glue_database": settings.glue_database,
        "metrics_namespace": settings.metrics_namespace,
        **{
            f"{purpose}_bucket_arn": settings.bucket_arn(purpose)
            for purpose in ("raw", "curated", "quarantine", "artifacts")
        },
    }
    statements: list[dict[str, Any]] = policy_from(TEMPLATE, values)["Statement"]
    return statements


def _dealt(statements: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Policies of as many statements as fit, in order."""
    held: list[dict[str, Any]] = []
    for statement in statements:
        if held and size(_policy([*held, statement])) > MOST_CHARACTERS:
            yield _policy(held)
            held = []
        held.append(statement)
    yield _policy(held)


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def size(policy: dict[str, Any]) -> int:
    """The characters that IAM counts."""
    return len(json.dumps(policy, separators=(",", ":")))


if __name__ == "__main__":
    from infrastructure.settings_source import read_environment, settings_from

    print(json.dumps(deployer_policies(settings_from(read_environment())), indent=2))
