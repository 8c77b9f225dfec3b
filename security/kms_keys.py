"""The customer keys: for data, the tokenisation secret, audit and logs, messaging. Each rotates and has an alias.

    python security/kms_keys.py        # make or mend the keys alone

The roles' own policies (security/*_role.json) say who may use a key. The key policy delegates to IAM through the
account's root statement and names no role, so that keys and roles can be made and removed in any order. AWS services
that act without a role (CloudWatch Logs, CloudTrail, alarms) have statements of their own. The key of the tokenisation
secret works through Secrets Manager only, whose secret has a policy of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infrastructure.aws.kms import PURPOSE_TAG, Alias, Key
from infrastructure.aws.policy_template import policy_from
from infrastructure.planning.resource import Clients, Ref, Resource
from infrastructure.settings import KEY_PURPOSES, Settings

# The keys' configuration, as plain data; a test holds infrastructure/terraform/ equal to it.
KEY_DESCRIPTIONS = {
    "data": "Transactions: stream, lake, warehouse",
    "tokens": "Tokenisation secret",
    "audit": "Audit trail and log groups",
    "messaging": "Queues and topics",
}
ROTATION_PERIOD_DAYS = 365
POLICY_TEMPLATE = Path(__file__).with_name("kms_key_policy.json")
POLICY_STATEMENTS = {
    "data": ("AccountRoot",),
    "tokens": ("AccountRoot", "ThroughSecretsManagerAlone"),
    "audit": ("AccountRoot", "CloudWatchLogs", "CloudTrailEncrypts"),
    "messaging": ("AccountRoot", "AlarmsPublish", "RawBucketTells"),
}


def key_policy(settings: Settings, purpose: str) -> dict[str, Any]:
    """The key policy of a purpose."""
    values = {
        "partition": settings.partition,
        "account_id": settings.account_id,
        "region": settings.region,
        "dns_suffix": settings.dns_suffix,
        "trail_arn": settings.arn("cloudtrail", f"trail/{settings.trail_name}"),
        "raw_bucket_arn": settings.bucket_arn("raw"),
    }
    return policy_from(POLICY_TEMPLATE, values, POLICY_STATEMENTS[purpose])


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """A key and its alias for each purpose."""
    found: list[Resource] = []
    for purpose in KEY_PURPOSES:
        alias = settings.key_alias(purpose)
        key = Key(
            part="security",
            name=alias.removeprefix("alias/"),
            clients=clients,
            alias=alias,
            deletion_window_days=settings.key_deletion_window_days,
            keep="what it encrypts would be lost with it",
            properties={
                "Description": KEY_DESCRIPTIONS[purpose],
                "KeyPolicy": key_policy(settings, purpose),
                "Rotation": {"Enabled": True, "PeriodInDays": ROTATION_PERIOD_DAYS},
                "KeyState": "Enabled",
                "Tags": settings.all_tags | {PURPOSE_TAG: purpose},
            },
        )
        found.append(key)
        found.append(
            Alias(
                part="security",
                name=alias,
                clients=clients,
                keep="the key that it names stays",
                properties={"TargetKeyId": Ref(key.id, "KeyId")},
            )
        )
    return found


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
