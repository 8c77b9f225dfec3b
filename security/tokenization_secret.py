"""The secret that holds the tokenisation keys: JSON {"current": 1, "keys": {"1": base64 of 32 random bytes}}.

    python security/tokenization_secret.py        # make or mend the secret alone

A card's token is a keyed hash of its number: whoever has the key can test guesses, and whoever loses it can never match
a card again. The value is made here once, from the operating system's randomness, and is never read, printed or
planned.
"""

from __future__ import annotations

import base64
import json
import secrets

from infrastructure.aws.secretsmanager import Secret
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import key_arn
from infrastructure.settings import Settings

KEY_BYTES = 32
DESCRIPTION = "Keys of the card tokens (HMAC-SHA-256), by version"


def new_secret_value() -> str:
    """The secret's first value."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    return json.dumps({"current": 1, "keys": {"1": key}})


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The secret."""
    return [
        Secret(
            part="security",
            name=settings.tokenization_secret_name,
            clients=clients,
            recovery_window_days=settings.secret_recovery_window_days,
            first_value=new_secret_value,
            keep="no card could be matched with its tokens again",
            properties={
                "Description": DESCRIPTION,
                "KmsKeyId": key_arn(settings, "data"),
                "State": "Active",
                "Tags": settings.all_tags,
            },
        )
    ]


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
