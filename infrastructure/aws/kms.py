"""A customer key and its alias, as the planner sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from infrastructure.planning.aws_errors import error_code, is_not_found
from infrastructure.planning.resource import UNSUPPORTED, DeletionPending, Properties, Resource

_DEFAULT_ROTATION_DAYS = 365
PURPOSE_TAG = "Purpose"  # distinguishes the keys of one environment


@dataclass(kw_only=True, eq=False)
class Key(Resource):
    """A symmetric customer key, found by its alias, or by its tags if a crash left it without an alias.

    KMS is eventually consistent: neither the list of keys nor the tags show a new key at once. The id of the key that
    this object made is kept, because a search in that time would find nothing and a second key would be made.
    """

    type: ClassVar[str] = "AWS::KMS::Key"
    permissions: ClassVar[str] = (
        "kms:CancelKeyDeletion kms:CreateKey kms:DescribeKey kms:EnableKey kms:EnableKeyRotation kms:GetKeyPolicy "
        "kms:GetKeyRotationStatus kms:ListGrants kms:ListKeys kms:ListResourceTags kms:PutKeyPolicy "
        "kms:ScheduleKeyDeletion kms:TagResource kms:UpdateKeyDescription"
    )
    policies: ClassVar[frozenset[str]] = frozenset({"KeyPolicy"})

    alias: str
    deletion_window_days: int
    made: str = field(default="", init=False)  # the id of the key that create() made

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
            "Grants": (grants := self.readable(lambda: self._grants(id_))),
            "Foreign": grants if grants is UNSUPPORTED else [_told(grant) for grant in grants],
        }

    def create(self, properties: Properties) -> None:
        made = self._kms.create_key(
            KeyUsage="ENCRYPT_DECRYPT",
            Description=properties["Description"],
            Policy=json.dumps(properties["KeyPolicy"]),
            Tags=_tag_list(properties["Tags"]),
        )
        self.made = made["KeyMetadata"]["KeyId"]

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        id_ = self._id()
        kms = self._kms
        # A key that is pending deletion or disabled accepts no other change, so KeyState comes first.
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

    def delete(self) -> DeletionPending | None:
        metadata = self._metadata()
        if metadata is None:
            return None
        if metadata["KeyState"] != "PendingDeletion":
            self._kms.schedule_key_deletion(KeyId=metadata["KeyId"], PendingWindowInDays=self.deletion_window_days)
            metadata = self._kms.describe_key(KeyId=metadata["KeyId"])["KeyMetadata"]
        until = metadata["DeletionDate"]
        return DeletionPending(
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
            return {"Enabled": False}  # KMS does not answer this while a key is pending deletion
        status = self._kms.get_key_rotation_status(KeyId=metadata["KeyId"])
        if not status["KeyRotationEnabled"]:
            return {"Enabled": False}
        return {"Enabled": True, "PeriodInDays": status.get("RotationPeriodInDays", _DEFAULT_ROTATION_DAYS)}

    def _grants(self, id_: str) -> list[dict[str, Any]]:
        """Who may use the key by a grant: services take some for themselves, and would fail without them."""
        pages = self._kms.get_paginator("list_grants").paginate(KeyId=id_)
        return [grant for page in pages for grant in page["Grants"]]

    def _metadata(self) -> dict[str, Any] | None:
        """The key that was made here, else the key under the alias if it has this key's tags, else the newest key with
        them, else the alias's key anyway.
        """
        if self.made:
            return self._described(self.made)
        named = self._described(self.alias)
        if named and self._is_ours(named["KeyId"]):
            return named
        return self._newest_by_tags() or named

    def _described(self, id_: str) -> dict[str, Any] | None:
        try:
            metadata: dict[str, Any] = self._kms.describe_key(KeyId=id_)["KeyMetadata"]
        except self._kms.exceptions.NotFoundException:
            return None
        return metadata

    def _newest_by_tags(self) -> dict[str, Any] | None:
        keys = [entry for page in self._kms.get_paginator("list_keys").paginate() for entry in page["Keys"]]
        ours = [
            self._kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys if self._is_ours(key["KeyId"])
        ]
        living = [metadata for metadata in ours if metadata["KeyState"] != "PendingDeletion"] or ours
        return max(living, key=lambda metadata: metadata["CreationDate"], default=None)

    def _is_ours(self, id_: str) -> bool:
        """Whether the key has this key's tags. A key that the caller may not describe is not ours."""
        wanted = {name: self.properties["Tags"][name] for name in ("Project", "Environment", PURPOSE_TAG)}
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
    """The alias by which a key is found."""

    type: ClassVar[str] = "AWS::KMS::Alias"
    permissions: ClassVar[str] = "kms:CreateAlias kms:DeleteAlias kms:DescribeKey kms:UpdateAlias"

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

    def delete(self) -> DeletionPending | None:
        try:
            self.clients("kms").delete_alias(AliasName=self.name)
        except self.clients("kms").exceptions.NotFoundException:
            return None
        return None


def _told(grant: dict[str, Any]) -> str:
    return f"a grant of {', '.join(sorted(grant.get('Operations', [])))} to {grant.get('GranteePrincipal')}"


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
