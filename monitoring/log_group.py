"""A CloudWatch Logs group, encrypted, with retention; the folders whose services log declare their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.remedies import error_code
from infrastructure.resource import Clients, Properties, Remains, Resource
from infrastructure.settings import Settings
from infrastructure.waiting import retry_while
from security.kms_keys import key_arn

LOG_KEY_PURPOSE = "audit"
_KEY_SECONDS = 30  # a new key's policy reaches CloudWatch Logs within seconds


def _is_new_key(error: Exception) -> bool:
    return error_code(error) == "InvalidParameterException" and "KMS key" in str(error)


def log_group(settings: Settings, clients: Clients, part: str, name: str) -> LogGroup:
    """The group of this name with the platform's retention, key and tags."""
    return LogGroup(
        part=part,
        name=name,
        clients=clients,
        properties={
            "RetentionInDays": settings.log_retention_days,
            "KmsKeyId": key_arn(settings, LOG_KEY_PURPOSE),
            "Tags": settings.all_tags,
        },
    )


@dataclass(kw_only=True, eq=False)
class LogGroup(Resource):
    """A log group."""

    type: ClassVar[str] = "AWS::Logs::LogGroup"

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "RetentionInDays": found.get("retentionInDays"),
            "KmsKeyId": found.get("kmsKeyId"),
            "Tags": self.readable(lambda: self._logs.list_tags_for_resource(resourceArn=arn)["tags"]),
            "Arn": arn,
        }

    def create(self, properties: Properties) -> None:
        retry_while(
            _is_new_key,
            lambda: self._logs.create_log_group(
                logGroupName=self.name, kmsKeyId=properties["KmsKeyId"], tags=properties["Tags"]
            ),
            _KEY_SECONDS,
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        logs = self._logs
        self.write_each(
            changed,
            properties,
            {
                "RetentionInDays": lambda days: logs.put_retention_policy(logGroupName=self.name, retentionInDays=days),
                "KmsKeyId": lambda key: logs.associate_kms_key(logGroupName=self.name, kmsKeyId=key),
                "Tags": self._tag,
            },
        )

    def delete(self) -> Remains | None:
        try:
            self._logs.delete_log_group(logGroupName=self.name)
        except self._logs.exceptions.ResourceNotFoundException:
            return None
        return None

    @property
    def _logs(self) -> Any:
        return self.clients("logs")

    def _describe(self) -> dict[str, Any] | None:
        for page in self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self.name):
            for group in page["logGroups"]:
                if group["logGroupName"] == self.name:
                    found: dict[str, Any] = group
                    return found
        return None

    def _tag(self, tags: dict[str, str]) -> None:
        found = self._describe() or {}
        self._logs.tag_resource(resourceArn=found["arn"].removesuffix(":*"), tags=tags)
