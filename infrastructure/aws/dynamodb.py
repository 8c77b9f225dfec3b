"""A DynamoDB table, as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import retry_while, wait_until

_SETTLE_SECONDS = 300
_BACKUP_SECONDS = 120  # backups of a new table are refused for a while
_ON_DEMAND = "PAY_PER_REQUEST"


@dataclass(kw_only=True, eq=False)
class DynamoDBTable(Resource):
    """A table that is paid by the request, encrypted with a customer key. Its output: Arn. table_arn: the same."""

    type: ClassVar[str] = "AWS::DynamoDB::Table"
    permissions: ClassVar[str] = (
        "dynamodb:CreateTable dynamodb:DeleteResourcePolicy dynamodb:DeleteTable dynamodb:DescribeContinuousBackups "
        "dynamodb:DescribeTable dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource "
        "dynamodb:TagResource dynamodb:UpdateContinuousBackups dynamodb:UpdateTable dynamodb:UpdateTimeToLive"
    )
    implied: ClassVar[str] = "kms:CreateGrant kms:Decrypt kms:DescribeKey kms:Encrypt"
    immutable: ClassVar[frozenset[str]] = frozenset(
        {"AttributeDefinitions", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes", "Replicas"}
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"AttributeDefinitions"})
    policies: ClassVar[frozenset[str]] = frozenset({"ResourcePolicy"})

    table_arn: str

    @property
    def unset(self) -> Properties:
        return {
            "GlobalSecondaryIndexes": [],
            "LocalSecondaryIndexes": [],
            "PointInTimeRecovery": "DISABLED",  # would keep what the table has forgotten
            "Replicas": [],  # copies in other regions
            "ResourcePolicy": None,
            "StreamViewType": None,  # a stream hands every item to whoever reads it
        }

    def read(self) -> Properties | None:
        found = self._describe()
        if found is None or found["TableStatus"] == "DELETING":
            return None
        encryption, stream = found.get("SSEDescription") or {}, found.get("StreamSpecification") or {}
        return {
            "AttributeDefinitions": found["AttributeDefinitions"],
            "KeySchema": found["KeySchema"],
            "BillingMode": (found.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            "DeletionProtectionEnabled": found.get("DeletionProtectionEnabled", False),
            "KMSMasterKeyId": encryption.get("KMSMasterKeyArn"),
            "TimeToLiveAttribute": self._time_to_live(),
            "Tags": tag_dict(self._tags()),
            "GlobalSecondaryIndexes": [index["IndexName"] for index in found.get("GlobalSecondaryIndexes") or []],
            "LocalSecondaryIndexes": [index["IndexName"] for index in found.get("LocalSecondaryIndexes") or []],
            "PointInTimeRecovery": self.readable(self._recovery),
            "Replicas": [replica["RegionName"] for replica in found.get("Replicas") or []],
            "ResourcePolicy": self.readable(self._resource_policy),
            "StreamViewType": stream.get("StreamViewType") if stream.get("StreamEnabled") else None,
            "Arn": found["TableArn"],
        }

    def create(self, properties: Properties) -> None:
        self._wait_until_gone()  # a table of this name may be in deletion
        self._dynamodb.create_table(
            TableName=self.name,
            AttributeDefinitions=properties["AttributeDefinitions"],
            KeySchema=properties["KeySchema"],
            BillingMode=properties["BillingMode"],
            DeletionProtectionEnabled=properties["DeletionProtectionEnabled"],
            SSESpecification=_encryption(properties["KMSMasterKeyId"]),
            Tags=tag_list(properties["Tags"]),
        )
        self._wait()

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        def update(**values: Any) -> None:
            self._dynamodb.update_table(TableName=self.name, **values)
            self._wait()

        self.write_each(
            changed,
            properties,
            {
                "KMSMasterKeyId": lambda key: update(SSESpecification=_encryption(key)),
                "BillingMode": lambda mode: update(BillingMode=mode),
                "DeletionProtectionEnabled": lambda value: update(DeletionProtectionEnabled=value),
                "StreamViewType": lambda _: update(StreamSpecification={"StreamEnabled": False}),
                "ResourcePolicy": lambda _: self._dynamodb.delete_resource_policy(ResourceArn=self.table_arn),
                "TimeToLiveAttribute": lambda name: self._dynamodb.update_time_to_live(
                    TableName=self.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": name}
                ),
                "PointInTimeRecovery": lambda _: self._without_recovery(),
                "Tags": lambda tags: self._dynamodb.tag_resource(ResourceArn=self.table_arn, Tags=tag_list(tags)),
            },
        )

    def delete(self) -> DeletionPending | None:
        found = self._describe()
        if found is None:
            return None
        if found["TableStatus"] != "DELETING":
            if found.get("DeletionProtectionEnabled"):
                self._dynamodb.update_table(TableName=self.name, DeletionProtectionEnabled=False)
                self._wait()
            self._dynamodb.delete_table(TableName=self.name)
        self._wait_until_gone()
        return None

    @property
    def _dynamodb(self) -> Any:
        return self.clients("dynamodb")

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._dynamodb.describe_table(TableName=self.name)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return None
        return found

    def _time_to_live(self) -> str | None:
        found = self._dynamodb.describe_time_to_live(TableName=self.name)["TimeToLiveDescription"]
        return found.get("AttributeName") if found["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None

    def _tags(self) -> list[dict[str, str]]:
        pages = self._dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=self.table_arn)
        return [tag for page in pages for tag in page["Tags"]]

    def _recovery(self) -> str:
        found = self._dynamodb.describe_continuous_backups(TableName=self.name)["ContinuousBackupsDescription"]
        status: str = found.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus", "DISABLED")
        return status

    def _without_recovery(self) -> None:
        off = {"PointInTimeRecoveryEnabled": False}
        retry_while(
            lambda error: error_code(error) == "ContinuousBackupsUnavailableException",
            lambda: self._dynamodb.update_continuous_backups(TableName=self.name, PointInTimeRecoverySpecification=off),
            _BACKUP_SECONDS,
        )

    def _resource_policy(self) -> str | None:
        try:
            policy: str = self._dynamodb.get_resource_policy(ResourceArn=self.table_arn)["Policy"]
        except self._dynamodb.exceptions.PolicyNotFoundException:
            return None
        return policy

    def _wait(self) -> None:
        def settled() -> bool:
            found = self._describe() or {}
            changing = (found.get("SSEDescription") or {}).get("Status") in ("ENABLING", "UPDATING")
            return found.get("TableStatus") == "ACTIVE" and not changing

        wait_until(settled, f"table {self.name}", _SETTLE_SECONDS)

    def _wait_until_gone(self) -> None:
        def settled() -> bool:
            found = self._describe()
            return found is None or found["TableStatus"] != "DELETING"

        wait_until(settled, f"table {self.name}", _SETTLE_SECONDS)


def _encryption(key: str) -> dict[str, Any]:
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
