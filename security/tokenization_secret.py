"""The secret that holds the tokenisation keys, and who may read it.

    python security/tokenization_secret.py        # make or mend the secret alone

A card's token is a keyed hash of its number: whoever has the key can test guesses, and whoever loses it can never match
a card again. The first key is made here, from the operating system's randomness; `rotate-token-key` makes the next ones
(data_governance/token_key_rotation.py). No value is ever read, printed or planned by `apply`.

The secret's own policy refuses its value to everybody but the landing function's role and, if
TOKEN_KEY_BREAK_GLASS_ROLE names one, the role that rotates. It refuses nothing that `apply` does: it makes the secret
before the policy, and later changes its description, key, tags and policy.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_governance.token_key_rotation import KEPT_TAGS, first_secret, told_in_tags
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.secretsmanager import Secret, SecretValue
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import key_arn
from infrastructure.settings import Settings

DESCRIPTION = "Keys of the card tokens (HMAC-SHA-256), by version"
POLICY_TEMPLATE = Path(__file__).with_name("token_secret_policy.json")


def secret_policy(settings: Settings) -> dict[str, Any]:
    """The secret's resource policy."""
    break_glass = settings.token_key_break_glass_role
    writers = [settings.global_arn("iam", f"role/{break_glass}")] if break_glass else []
    values = {"readers": [settings.role_arn("lambda"), *writers], "writers": writers}
    changed = "ChangedByBreakGlassAlone" if break_glass else "ChangedByNobody"
    sids = ("ReadByTheFunctionAndBreakGlassAlone", changed, "NeitherRotatedNorReplicated")
    return policy_from(POLICY_TEMPLATE, values, sids)


def first_value() -> SecretValue:
    """The secret's first value, and the tags that tell its age."""
    now = datetime.now(UTC)
    text = first_secret(now)
    return SecretValue(text, told_in_tags(text, now))


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The secret."""
    return [
        Secret(
            part="security",
            name=settings.tokenization_secret_name,
            clients=clients,
            recovery_window_days=settings.secret_recovery_window_days,
            first_value=first_value,
            kept_tags=KEPT_TAGS,
            keep="no card could be matched with its tokens again",
            properties={
                "Description": DESCRIPTION,
                "KmsKeyId": key_arn(settings, "tokens"),
                "State": "Active",
                "ResourcePolicy": secret_policy(settings),
                "Tags": settings.all_tags,
            },
        )
    ]


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
