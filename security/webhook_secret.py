"""The secret that signs what the webhook is told of fraud alerts, and who may read it.

    python security/webhook_secret.py        # make or mend the secret alone

The first value is made here and printed nowhere. Its own policy refuses it to everybody but the delivering function's
role, whatever IAM allows. So that the receiver knows it, an administrator puts the value that the receiver has made
(docs/fraud_stream.md); putting does not need reading. The key is that of queues and topics: the function has a right to
it anyway, and none to the key of the tokenisation keys.
"""

from __future__ import annotations

from typing import Any

from data_governance.webhook_signature import new_secret
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.secretsmanager import Secret, SecretValue
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import key_arn, webhook_secret_name
from infrastructure.settings import Settings
from security.tokenization_secret import POLICY_TEMPLATE

DESCRIPTION = "Signs fraud alerts for the webhook (HMAC-SHA-256)"


def secret_policy(settings: Settings) -> dict[str, Any]:
    """The secret's resource policy."""
    values = {"readers": [settings.role_arn("webhook")]}
    return policy_from(POLICY_TEMPLATE, values, ("ReadByTheFunctionAndBreakGlassAlone", "NeitherRotatedNorReplicated"))


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The secret; removed where nothing is delivered, and restored with its value within its waiting period."""
    return [
        Secret(
            part="security",
            name=webhook_secret_name(settings),
            clients=clients,
            wanted=settings.delivers_alerts,
            recovery_window_days=settings.secret_recovery_window_days,
            first_value=lambda: SecretValue(new_secret(), {}),
            properties={
                "Description": DESCRIPTION,
                "KmsKeyId": key_arn(settings, "messaging"),
                "State": "Active",
                "ResourcePolicy": secret_policy(settings),
                "Tags": settings.all_tags,
            },
        )
    ]


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
