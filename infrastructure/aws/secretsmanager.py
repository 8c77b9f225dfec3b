"""A secret, as the planner sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.resource import DeletionPending, Properties, Resource


class SecretValue(NamedTuple):
    """A value, and what may be known of it: tags, by name."""

    text: str
    tags: dict[str, str]


@dataclass(kw_only=True, eq=False)
class Secret(Resource):
    """A Secrets Manager secret. Creating it sets its first value; no value is ever read here.

    kept_tags: names of the tags that go with the value, which are not compared.
    """

    type: ClassVar[str] = "AWS::SecretsManager::Secret"
    permissions: ClassVar[str] = (
        "secretsmanager:CancelRotateSecret secretsmanager:CreateSecret secretsmanager:DeleteResourcePolicy "
        "secretsmanager:DeleteSecret secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy "
        "secretsmanager:PutResourcePolicy secretsmanager:RemoveRegionsFromReplication secretsmanager:RestoreSecret "
        "secretsmanager:TagResource secretsmanager:UpdateSecret"
    )
    implied: ClassVar[str] = "kms:Decrypt kms:GenerateDataKey"

    recovery_window_days: int
    first_value: Callable[[], SecretValue]
    kept_tags: frozenset[str] = frozenset()

    policies: ClassVar[frozenset[str]] = frozenset({"ResourcePolicy"})

    @property
    def unset(self) -> Properties:
        # A rotation by somebody else's function would replace the keys that every token rests on.
        return {"RotationEnabled": False, "Replicas": [], "ResourcePolicy": None}

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None:
            return None
        tags = tag_dict(found.get("Tags", []))
        return {
            "Description": found.get("Description"),
            "KmsKeyId": found.get("KmsKeyId"),
            "State": "PendingDeletion" if found.get("DeletedDate") else "Active",
            "Tags": {name: value for name, value in tags.items() if name not in self.kept_tags},
            "RotationEnabled": bool(found.get("RotationEnabled")),
            "Replicas": [replica["Region"] for replica in found.get("ReplicationStatus") or []],
            "ResourcePolicy": None if found.get("DeletedDate") else self.readable(self._resource_policy),
            "Arn": found["ARN"],
            "CreatedAt": found.get("CreatedDate"),
            "ValueTags": {name: value for name, value in tags.items() if name in self.kept_tags},
        }

    def create(self, properties: Properties) -> None:
        value = self.first_value()
        self._manager.create_secret(
            Name=self.name,
            Description=properties["Description"],
            KmsKeyId=properties["KmsKeyId"],
            SecretString=value.text,
            Tags=tag_list(properties["Tags"] | value.tags),
        )
        if properties.get("ResourcePolicy"):
            self._put_policy(properties["ResourcePolicy"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        manager = self._manager
        # A secret that is pending deletion accepts no other change, so State comes first.
        self.write_each(
            changed,
            properties,
            {
                "State": lambda _: manager.restore_secret(SecretId=self.name),
                "Description": lambda value: manager.update_secret(SecretId=self.name, Description=value),
                "KmsKeyId": lambda value: manager.update_secret(SecretId=self.name, KmsKeyId=value),
                "Tags": lambda value: manager.tag_resource(SecretId=self.name, Tags=tag_list(value)),
                "ResourcePolicy": self._put_policy,
                "RotationEnabled": lambda _: manager.cancel_rotate_secret(SecretId=self.name),
                "Replicas": lambda _: manager.remove_regions_from_replication(
                    SecretId=self.name, RemoveReplicaRegions=self._replicas()
                ),
            },
        )

    def is_leaving(self, actual: Properties) -> bool:
        return bool(actual["State"] == "PendingDeletion")

    def delete(self) -> DeletionPending | None:
        found = self._describe()
        if found is None:
            return None
        if not found.get("DeletedDate"):
            self._manager.delete_secret(SecretId=self.name, RecoveryWindowInDays=self.recovery_window_days)
            found = self._describe() or {}
        until = found["DeletedDate"]
        return DeletionPending(f"secret {self.name} is deleted on {until:%Y-%m-%d}; apply before then restores it")

    @property
    def _manager(self) -> Any:
        return self.clients("secretsmanager")

    def _put_policy(self, policy: dict[str, Any] | None) -> None:
        if policy is None:
            self._manager.delete_resource_policy(SecretId=self.name)
        else:
            document = json.dumps(policy)
            self._manager.put_resource_policy(SecretId=self.name, ResourcePolicy=document, BlockPublicPolicy=True)

    def _resource_policy(self) -> str | None:
        found: str | None = self._manager.get_resource_policy(SecretId=self.name).get("ResourcePolicy")
        return found or None

    def _replicas(self) -> list[str]:
        return [replica["Region"] for replica in (self._describe() or {}).get("ReplicationStatus") or []]

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._manager.describe_secret(SecretId=self.name)
        except self._manager.exceptions.ResourceNotFoundException:
            return None
        return found
