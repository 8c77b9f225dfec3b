"""The customer keys: one for data, one for audit and logs, one for messaging; each rotates and has an alias.

    python security/kms_keys.py        # make or mend the keys alone

Who may use a key is said by the roles' own policies (security/*_role.json): the key policy delegates to IAM through
the account's root statement and names no role, so that keys and roles can come and go in any order. AWS services that
act without a role (CloudWatch Logs, CloudTrail, alarms) have statements of their own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from infrastructure.policy_template import policy_from
from infrastructure.remedies import error_code, is_not_found
from infrastructure.resource import Clients, Properties, Ref, Remains, Resource, resource_id
from infrastructure.settings import KEY_PURPOSES, Settings

# The configuration of the keys, as plain data (infrastructure/terraform/ is held equal to it by a test).
KEY_DESCRIPTIONS = {
    "data": "Transactions: stream, lake, warehouse, tokenisation secret",
    "audit": "Audit trail and log groups",
    "messaging": "On-failure queue and alarm topic",
}
ROTATION_PERIOD_DAYS = 365
POLICY_TEMPLATE = Path(__file__).with_name("kms_key_policy.json")
POLICY_STATEMENTS = {
    "data": ("AccountRoot",),
    "audit": ("AccountRoot", "CloudWatchLogs", "CloudTrailEncrypts"),
    "messaging": ("AccountRoot", "AlarmsPublish"),
}

_KEY = "AWS::KMS::Key"
_ALIAS = "AWS::KMS::Alias"
_PURPOSE_TAG = "Purpose"
_DEFAULT_ROTATION_DAYS = 365


def key_id(settings: Settings, purpose: str) -> str:
    """The resource id of a key, for depends_on."""
    return resource_id(_KEY, settings.key_alias(purpose).removeprefix("alias/"))


def key_arn(settings: Settings, purpose: str) -> Ref:
    """The ARN of a key, known once the key exists."""
    return Ref(key_id(settings, purpose), "Arn")


def key_policy(settings: Settings, purpose: str) -> dict[str, Any]:
    """The key policy of a purpose."""
    values = {
        "partition": settings.partition,
        "account_id": settings.account_id,
        "region": settings.region,
        "trail_arn": settings.arn("cloudtrail", f"trail/{settings.trail_name}"),
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
                "Tags": settings.all_tags | {_PURPOSE_TAG: purpose},
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


@dataclass(kw_only=True, eq=False)
class Key(Resource):
    """A symmetric customer key, found by its alias, else by its tags (a crash may fall between key and alias)."""

    type: ClassVar[str] = _KEY
    policies: ClassVar[frozenset[str]] = frozenset({"KeyPolicy"})

    alias: str
    deletion_window_days: int

    def read(self) -> Properties | None:
        metadata = self._metadata()
        if metadata is None:
            return None
        id_ = metadata["KeyId"]
        return {
            "Description": metadata["Description"],
            "KeyPolicy": self._kms.get_key_policy(KeyId=id_, PolicyName="default")["Policy"],
            "Rotation": self._rotation(metadata),
            "KeyState": metadata["KeyState"],
            "Tags": self._tags(id_),
            "KeyId": id_,
            "Arn": metadata["Arn"],
        }

    def create(self, properties: Properties) -> None:
        self._kms.create_key(
            KeyUsage="ENCRYPT_DECRYPT",
            Description=properties["Description"],
            Policy=json.dumps(properties["KeyPolicy"]),
            Tags=_tag_list(properties["Tags"]),
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        id_ = self._id()
        kms = self._kms
        # A key that is pending deletion or disabled takes no other change: KeyState comes first.
        self.write_each(
            changed,
            properties,
            {
                "KeyState": lambda _: self._enable(id_),
                "Description": lambda value: kms.update_key_description(KeyId=id_, Description=value),
                "KeyPolicy": lambda value: kms.put_key_policy(
                    KeyId=id_, PolicyName="default", Policy=json.dumps(value)
                ),
                "Rotation": lambda value: kms.enable_key_rotation(
                    KeyId=id_, RotationPeriodInDays=value["PeriodInDays"]
                ),
                "Tags": lambda value: kms.tag_resource(KeyId=id_, Tags=_tag_list(value)),
            },
        )

    def delete(self) -> Remains | None:
        metadata = self._metadata()
        if metadata is None:
            return None
        if metadata["KeyState"] != "PendingDeletion":
            self._kms.schedule_key_deletion(KeyId=metadata["KeyId"], PendingWindowInDays=self.deletion_window_days)
            metadata = self._kms.describe_key(KeyId=metadata["KeyId"])["KeyMetadata"]
        until = metadata["DeletionDate"]
        return Remains(
            f"key {self.name} ({metadata['KeyId']}) is deleted on {until:%Y-%m-%d}; apply before then takes it up again"
        )

    @property
    def _kms(self) -> Any:
        return self.clients("kms")

    def _id(self) -> str:
        metadata = self._metadata()
        assert metadata is not None, "update follows a read that found the key"
        return str(metadata["KeyId"])

    def _enable(self, id_: str) -> None:
        if self._kms.describe_key(KeyId=id_)["KeyMetadata"]["KeyState"] == "PendingDeletion":
            self._kms.cancel_key_deletion(KeyId=id_)
        self._kms.enable_key(KeyId=id_)

    def _rotation(self, metadata: dict[str, Any]) -> dict[str, Any]:
        if metadata["KeyState"] not in ("Enabled", "Disabled"):
            return {"Enabled": False}  # KMS does not tell while a key waits for its deletion
        status = self._kms.get_key_rotation_status(KeyId=metadata["KeyId"])
        if not status["KeyRotationEnabled"]:
            return {"Enabled": False}
        return {"Enabled": True, "PeriodInDays": status.get("RotationPeriodInDays", _DEFAULT_ROTATION_DAYS)}

    def _metadata(self) -> dict[str, Any] | None:
        """The key under the alias if it carries this one's tags; else the newest that does; else the alias' own."""
        try:
            named: dict[str, Any] | None = self._kms.describe_key(KeyId=self.alias)["KeyMetadata"]
        except self._kms.exceptions.NotFoundException:
            named = None
        if named and self._is_ours(named["KeyId"]):
            return named
        return self._newest_by_tags() or named

    def _newest_by_tags(self) -> dict[str, Any] | None:
        keys = [entry for page in self._kms.get_paginator("list_keys").paginate() for entry in page["Keys"]]
        ours = [
            self._kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys if self._is_ours(key["KeyId"])
        ]
        living = [metadata for metadata in ours if metadata["KeyState"] != "PendingDeletion"] or ours
        return max(living, key=lambda metadata: metadata["CreationDate"], default=None)

    def _is_ours(self, id_: str) -> bool:
        """Whether the key carries this one's tags; a key that the caller may not look at is none of ours."""
        wanted = {name: self.properties["Tags"][name] for name in ("Project", "Environment", _PURPOSE_TAG)}
        try:
            return wanted.items() <= self._tags(id_).items()
        except self._kms.exceptions.ClientError as error:
            if error_code(error) == "AccessDeniedException" or is_not_found(error):
                return False
            raise

    def _tags(self, id_: str) -> dict[str, str]:
        pages = self._kms.get_paginator("list_resource_tags").paginate(KeyId=id_)
        return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}


@dataclass(kw_only=True, eq=False)
class Alias(Resource):
    """The name under which a key is found."""

    type: ClassVar[str] = _ALIAS

    def read(self) -> Properties | None:
        try:
            metadata = self.clients("kms").describe_key(KeyId=self.name)["KeyMetadata"]
        except self.clients("kms").exceptions.NotFoundException:
            return None
        return {"TargetKeyId": metadata["KeyId"]}

    def create(self, properties: Properties) -> None:
        self.clients("kms").create_alias(AliasName=self.name, TargetKeyId=properties["TargetKeyId"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.clients("kms").update_alias(AliasName=self.name, TargetKeyId=properties["TargetKeyId"])

    def delete(self) -> Remains | None:
        try:
            self.clients("kms").delete_alias(AliasName=self.name)
        except self.clients("kms").exceptions.NotFoundException:
            return None
        return None


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


if __name__ == "__main__":
    from infrastructure.provisioning import run_alone

    raise SystemExit(run_alone(resources, __doc__))
