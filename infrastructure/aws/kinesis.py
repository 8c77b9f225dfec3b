"""A Kinesis data stream, as the planner sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, ClassVar

from infrastructure.errors import PlatformError
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import wait_until

_CREATED_RETENTION_HOURS = 24  # CreateStream's default
_SETTLE_SECONDS = 900  # changing the mode of a stream takes minutes
_MAX_RECORD_KIB = 1024
_BY_PARTITION_KEY = "USER_PARTITION_KEY"
_RESIZES_A_DAY = 10  # UpdateShardCount's limit of calls in 24 hours


@dataclass(kw_only=True, eq=False)
class Stream(Resource):
    """A Kinesis data stream. Each change is waited for: the stream accepts the next one only when it is active."""

    type: ClassVar[str] = "AWS::Kinesis::Stream"
    permissions: ClassVar[str] = (
        "kinesis:AddTagsToStream kinesis:CreateStream kinesis:DecreaseStreamRetentionPeriod "
        "kinesis:DeleteResourcePolicy kinesis:DeleteStream kinesis:DeregisterStreamConsumer "
        "kinesis:DescribeStreamSummary kinesis:EnableEnhancedMonitoring kinesis:GetResourcePolicy "
        "kinesis:IncreaseStreamRetentionPeriod kinesis:ListStreamConsumers kinesis:ListTagsForStream "
        "kinesis:StartStreamEncryption kinesis:UpdateMaxRecordSize kinesis:UpdateShardCount "
        "kinesis:UpdateStreamMode kinesis:UpdateStreamRecordDistributionStrategy"
    )
    implied: ClassVar[str] = "kms:DescribeKey"
    unordered: ClassVar[frozenset[str]] = frozenset({"Consumers", "ShardLevelMetrics"})
    policies: ClassVar[frozenset[str]] = frozenset({"ResourcePolicy"})

    @property
    def unset(self) -> Properties:
        return {
            "Consumers": [],  # nobody but the landing function reads clear card numbers
            "ResourcePolicy": None,
            "MaxRecordSizeInKiB": _MAX_RECORD_KIB,
            "RecordDistributionStrategy": _BY_PARTITION_KEY,  # else an account's records lose their order
        }

    def read(self) -> Properties | None:
        summary = self._summary()
        if summary is None or summary["StreamStatus"] == "DELETING":
            return None
        return {
            "StreamMode": summary.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED"),
            "ShardCount": summary["OpenShardCount"],
            "RetentionPeriodHours": summary["RetentionPeriodHours"],
            "EncryptionKeyId": summary.get("KeyId") if summary.get("EncryptionType") == "KMS" else None,
            "ShardLevelMetrics": [
                metric for group in summary["EnhancedMonitoring"] for metric in group.get("ShardLevelMetrics", [])
            ],
            "Tags": self._tags(),
            "Consumers": self.readable(
                lambda: [each["ConsumerName"] for each in self._consumers(summary["StreamARN"])]
            ),
            "ResourcePolicy": self.readable(lambda: self._resource_policy(summary["StreamARN"])),
            "MaxRecordSizeInKiB": summary.get("MaxRecordSizeInKiB") or _MAX_RECORD_KIB,
            "RecordDistributionStrategy": summary.get("RecordDistributionStrategy") or _BY_PARTITION_KEY,
            "Arn": summary["StreamARN"],
            "Incarnation": f"{summary['StreamCreationTimestamp'].astimezone(UTC):%Y%m%dT%H%M%SZ}",
        }

    def create(self, properties: Properties) -> None:
        self._wait_until_gone()  # a stream of this name may be in deletion
        shards = {"ShardCount": properties["ShardCount"]} if "ShardCount" in properties else {}
        self._kinesis.create_stream(
            StreamName=self.name,
            StreamModeDetails={"StreamMode": properties["StreamMode"]},
            Tags=properties["Tags"],
            **shards,
        )
        self._wait_until_active()

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        summary = self._summary() or {}
        arn = summary["StreamARN"]
        kinesis = self._kinesis

        def change(call: Callable[..., object]) -> Callable[[Any], None]:
            def write(value: Any) -> None:
                self._wait_until_active()
                call(value)
                self._wait_until_active()

            return write

        self.write_each(
            changed,
            properties,
            {
                "EncryptionKeyId": change(
                    lambda key: kinesis.start_stream_encryption(StreamName=self.name, EncryptionType="KMS", KeyId=key)
                ),
                "RetentionPeriodHours": change(
                    lambda hours: self._retain(summary.get("RetentionPeriodHours", _CREATED_RETENTION_HOURS), hours)
                ),
                "StreamMode": change(
                    lambda mode: kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode})
                ),
                "ShardCount": change(self._resize),
                "ShardLevelMetrics": change(self._measure),
                "Tags": lambda tags: kinesis.add_tags_to_stream(StreamName=self.name, Tags=tags),
                "Consumers": lambda _: self._deregister(arn),
                "ResourcePolicy": lambda _: kinesis.delete_resource_policy(ResourceARN=arn),
                "MaxRecordSizeInKiB": change(
                    lambda size: kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=size)
                ),
                "RecordDistributionStrategy": change(
                    lambda strategy: kinesis.update_stream_record_distribution_strategy(
                        StreamARN=arn, RecordDistributionStrategy=strategy
                    )
                ),
            },
        )

    def delete(self) -> DeletionPending | None:
        try:
            self._kinesis.delete_stream(StreamName=self.name, EnforceConsumerDeletion=True)
        except self._kinesis.exceptions.ResourceNotFoundException:
            return None
        self._wait_until_gone()
        return None

    @property
    def _kinesis(self) -> Any:
        return self.clients("kinesis")

    def _summary(self) -> dict[str, Any] | None:
        try:
            summary: dict[str, Any] = self._kinesis.describe_stream_summary(StreamName=self.name)[
                "StreamDescriptionSummary"
            ]
        except self._kinesis.exceptions.ResourceNotFoundException:
            return None
        return summary

    def _consumers(self, arn: str) -> list[dict[str, Any]]:
        pages = self._kinesis.get_paginator("list_stream_consumers").paginate(StreamARN=arn)
        return [consumer for page in pages for consumer in page["Consumers"]]

    def _deregister(self, arn: str) -> None:
        for consumer in self._consumers(arn):
            self._kinesis.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])

    def _resource_policy(self, arn: str) -> str | None:
        try:
            policy: str = self._kinesis.get_resource_policy(ResourceARN=arn)["Policy"]
        except self._kinesis.exceptions.ResourceNotFoundException:
            return None
        return policy if json.loads(policy or "{}").get("Statement") else None

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            page = self._kinesis.list_tags_for_stream(StreamName=self.name, **more)
            tags |= {tag["Key"]: tag["Value"] for tag in page["Tags"]}
            if not page["HasMoreTags"]:
                return tags
            more = {"ExclusiveStartTagKey": page["Tags"][-1]["Key"]}

    def _retain(self, now: int, hours: int) -> None:
        if hours > now:
            self._kinesis.increase_stream_retention_period(StreamName=self.name, RetentionPeriodHours=hours)
        else:
            self._kinesis.decrease_stream_retention_period(StreamName=self.name, RetentionPeriodHours=hours)

    def _resize(self, shards: int) -> None:
        steps = shard_steps((self._summary() or {})["OpenShardCount"], shards)
        if len(steps) > _RESIZES_A_DAY:
            raise PlatformError(
                f"stream {self.name}",
                f"takes {len(steps)} resizes to {shards} shards, Kinesis makes {_RESIZES_A_DAY} in 24 hours",
                f"Set SHARD_COUNT to {steps[_RESIZES_A_DAY - 1]} now, and to {shards} tomorrow.",
            )
        for step in steps:
            self._kinesis.update_shard_count(StreamName=self.name, TargetShardCount=step, ScalingType="UNIFORM_SCALING")
            self._wait_until_active()

    def _measure(self, metrics: list[str]) -> None:
        self._kinesis.enable_enhanced_monitoring(StreamName=self.name, ShardLevelMetrics=metrics)

    def _wait_until_active(self) -> None:
        wait_until(
            lambda: (self._summary() or {}).get("StreamStatus") == "ACTIVE", f"stream {self.name}", _SETTLE_SECONDS
        )

    def _wait_until_gone(self) -> None:
        wait_until(lambda: self._summary() is None or not self._is_going(), f"stream {self.name}", _SETTLE_SECONDS)

    def _is_going(self) -> bool:
        return (self._summary() or {}).get("StreamStatus") == "DELETING"


def shard_steps(now: int, wanted: int) -> list[int]:
    """The shard counts on the way: one UpdateShardCount can at most double or halve the count."""
    steps: list[int] = []
    while now != wanted:
        now = min(wanted, now * 2) if wanted > now else max(wanted, -(-now // 2))
        steps.append(now)
    return steps
