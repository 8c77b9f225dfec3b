"""The secret that holds the tokenisation keys: JSON {"current": 1, "keys": {"1": base64 of 32 random bytes}}.

    python security/tokenization_secret.py        # make or mend the secret alone

A card's token is a keyed hash of its number: who holds the key can test guesses, and who loses it can match no card
ever again. The value is made here once, from the operating system's randomness, and is never read, printed or planned.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from infrastructure.resource import Clients, Properties, Ref, Remains, Resource, resource_id
from infrastructure.settings import Settings
from security.kms_keys import key_arn

KEY_BYTES = 32
DESCRIPTION = "Keys of the card tokens (HMAC-SHA-256), by version"
_SECRET = "AWS::SecretsManager::Secret"


def secret_id(settings: Settings) -> str:
    """The resource id of the secret, for depends_on."""
    return resource_id(_SECRET, settings.tokenization_secret_name)


def secret_arn(settings: Settings) -> Ref:
    """The ARN of the secret, which ends in six characters known once it exists."""
    return Ref(secret_id(settings), "Arn")


def new_secret_value() -> str:
    """A first version of the secret."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    return json.dumps({"current": 1, "keys": {"1": key}})


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The secret."""
    return [
        TokenizationSecret(
            part="security",
            name=settings.tokenization_secret_name,
            clients=clients,
            recovery_window_days=settings.secret_recovery_window_days,
            keep="no card could be matched with its tokens again",
            properties={
                "Description": DESCRIPTION,
                "KmsKeyId": key_arn(settings, "data"),
                "State": "Active",
                "Tags": settings.all_tags,
            },
        )
    ]


@dataclass(kw_only=True, eq=False)
class TokenizationSecret(Resource):
    """A Secrets Manager secret whose value is made with it."""

    type: ClassVar[str] = _SECRET

    recovery_window_days: int

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None:
            return None
        return {
            "Description": found.get("Description"),
            "KmsKeyId": found.get("KmsKeyId"),
            "State": "PendingDeletion" if found.get("DeletedDate") else "Active",
            "Tags": {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
            "Arn": found["ARN"],
        }

    def create(self, properties: Properties) -> None:
        self._manager.create_secret(
            Name=self.name,
            Description=properties["Description"],
            KmsKeyId=properties["KmsKeyId"],
            SecretString=new_secret_value(),
            Tags=_tag_list(properties["Tags"]),
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        manager = self._manager
        # A secret that waits for its deletion takes no other change: State comes first.
        self.write_each(
            changed,
            properties,
            {
                "State": lambda _: manager.restore_secret(SecretId=self.name),
                "Description": lambda value: manager.update_secret(SecretId=self.name, Description=value),
                "KmsKeyId": lambda value: manager.update_secret(SecretId=self.name, KmsKeyId=value),
                "Tags": lambda value: manager.tag_resource(SecretId=self.name, Tags=_tag_list(value)),
            },
        )

    def delete(self) -> Remains | None:
        found = self._describe()
        if found is None:
            return None
        if not found.get("DeletedDate"):
            self._manager.delete_secret(SecretId=self.name, RecoveryWindowInDays=self.recovery_window_days)
            found = self._describe() or {}
        until = found["DeletedDate"]
        return Remains(f"secret {self.name} is deleted on {until:%Y-%m-%d}; apply before then restores it")

    @property
    def _manager(self) -> Any:
        return self.clients("secretsmanager")

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._manager.describe_secret(SecretId=self.name)
        except self._manager.exceptions.ResourceNotFoundException:
            return None
        return found


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


if __name__ == "__main__":
    from infrastructure.provisioning import run_alone

    raise SystemExit(run_alone(resources, __doc__))
