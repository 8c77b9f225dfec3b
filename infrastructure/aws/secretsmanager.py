"""A secret, as the planner sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.resource import DeletionPending, Properties, Resource


@dataclass(kw_only=True, eq=False)
class Secret(Resource):
    """A Secrets Manager secret. Creating it sets its first value; no value is ever read here."""

    type: ClassVar[str] = "AWS::SecretsManager::Secret"
    permissions: ClassVar[str] = (
        "secretsmanager:CancelRotateSecret secretsmanager:CreateSecret secretsmanager:DeleteResourcePolicy "
        "secretsmanager:DeleteSecret secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy "
        "secretsmanager:RemoveRegionsFromReplication secretsmanager:RestoreSecret secretsmanager:TagResource "
        "secretsmanager:UpdateSecret"
    )
    implied: ClassVar[str] = "kms:Decrypt kms:GenerateDataKey"

    recovery_window_days: int
    first_value: Callable[[], str]

    policies: ClassVar[frozenset[str]] = frozenset({"ResourcePolicy"})

    @property
    def unset(self) -> Properties:
        # A rotation by somebody else's function would replace the keys that every token rests on.
        return {"RotationEnabled": False, "Replicas": [], "ResourcePolicy": None}

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None:
            return None
        return {
            "Description": found.get("Description"),
            "KmsKeyId": found.get("KmsKeyId"),
            "State": "PendingDeletion" if found.get("DeletedDate") else "Active",
            "Tags": tag_dict(found.get("Tags", [])),
            "RotationEnabled": bool(found.get("RotationEnabled")),
            "Replicas": [replica["Region"] for replica in found.get("ReplicationStatus") or []],
            "ResourcePolicy": None if found.get("DeletedDate") else self.readable(self._resource_policy),
            "Arn": found["ARN"],
        }

    def create(self, properties: Properties) -> None:
        self._manager.create_secret(
            Name=self.name,
            Description=properties["Description"],
            KmsKeyId=properties["KmsKeyId"],
            SecretString=self.first_value(),
            Tags=tag_list(properties["Tags"]),
        )

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
                "ResourcePolicy": lambda _: manager.delete_resource_policy(SecretId=self.name),
                "RotationEnabled": lambda _: manager.cancel_rotate_secret(SecretId=self.name),
                "Replicas": lambda _: manager.remove_regions_from_replication(
                    SecretId=self.name, RemoveReplicaRegions=self._replicas()
                ),
            },
        )

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
