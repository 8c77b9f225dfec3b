"""Lambda's event source mappings, as the planner sees them: of a stream and of a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.lambda_ import SETTLE_SECONDS, is_new_role
from infrastructure.planning.aws_errors import is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while, wait_until

# What sets a part of a mapping back to what it is if nobody has set it.
_AS_IF_UNSET: dict[str, Any] = {
    "FilterCriteria": {"Filters": []},
    "TumblingWindowInSeconds": 0,
    "KMSKeyArn": "",
    "MetricsConfig": {"Metrics": []},
}


@dataclass(kw_only=True, eq=False)
class _Mapping(Resource):
    """The poller that passes a source's batches to a function. Found by the names of both; its Uuid is an output.

    A mapping to a version or an alias of the function is another one, e.g. that of a recovery (docs/monitoring.md).
    """

    type: ClassVar[str] = "AWS::Lambda::EventSourceMapping"
    permissions: ClassVar[str] = (
        "lambda:CreateEventSourceMapping lambda:DeleteEventSourceMapping lambda:ListEventSourceMappings "
        "lambda:ListTags lambda:TagResource lambda:UpdateEventSourceMapping"
    )
    parameters: ClassVar[tuple[str, ...]] = ()  # that can be changed
    fixed: ClassVar[tuple[str, ...]] = ()

    function_name: str
    source_arn: str

    @property
    def unset(self) -> Properties:
        # A filter drops records without a trace.
        return {"FilterCriteria": [], "KMSKeyArn": None, "MetricsConfig": []}

    def read(self) -> Properties | None:
        found = self._find()
        if found is None or found["State"] == "Deleting":
            return None
        arn = found.get("EventSourceMappingArn", "")
        return {name: found.get(name) for name in (*self.parameters, *self.fixed)} | {
            "Enabled": found["State"] in ("Enabled", "Enabling", "Creating", "Updating"),
            "FilterCriteria": (found.get("FilterCriteria") or {}).get("Filters", []),
            "KMSKeyArn": found.get("KMSKeyArn") or None,
            "MetricsConfig": (found.get("MetricsConfig") or {}).get("Metrics", []),
            "Tags": self.readable(lambda: self._lambda.list_tags(Resource=arn)["Tags"]),
            "Uuid": found["UUID"],
            "Arn": arn,
        }

    def create(self, properties: Properties) -> None:
        self._wait_until_gone()  # a mapping of the same source and function may be in deletion
        retry_while(
            is_new_role,
            lambda: self._lambda.create_event_source_mapping(
                FunctionName=self.function_name,
                EventSourceArn=self.source_arn,
                Enabled=properties["Enabled"],
                Tags=properties["Tags"],
                **{name: properties[name] for name in (*self.parameters, *self.fixed)},
            ),
            PROPAGATION_SECONDS,
        )
        self._wait()

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        found = self._find() or {}
        others = {name: value for name, value in _AS_IF_UNSET.items() if name in changed}
        if changed - {"Tags"}:
            self._wait()
            self._lambda.update_event_source_mapping(
                UUID=found["UUID"],
                FunctionName=self.function_name,
                Enabled=properties["Enabled"],
                **{name: properties[name] for name in self.parameters},
                **others,
            )
            self._wait()
        if "Tags" in changed:
            self._lambda.tag_resource(Resource=found["EventSourceMappingArn"], Tags=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        found = self._find()
        if found is None:
            return None
        try:
            self._lambda.delete_event_source_mapping(UUID=found["UUID"])
        except self._lambda.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        self._wait_until_gone()
        return None

    @property
    def _lambda(self) -> Any:
        return self.clients("lambda")

    def _find(self) -> dict[str, Any] | None:
        found = [mapping for mapping in self._of_the_source() if self._is_ours(mapping)]
        return next((mapping for mapping in found if mapping["State"] != "Deleting"), found[0] if found else None)

    def _of_the_source(self) -> list[dict[str, Any]]:
        pages = self._lambda.get_paginator("list_event_source_mappings").paginate(EventSourceArn=self.source_arn)
        return [mapping for page in pages for mapping in page["EventSourceMappings"]]

    def _is_ours(self, mapping: dict[str, Any]) -> bool:
        return str(mapping["FunctionArn"]).endswith(f":function:{self.function_name}")

    def _wait(self) -> None:
        wait_until(
            lambda: (self._find() or {}).get("State") in ("Enabled", "Disabled"),
            f"event source mapping {self.name}",
            SETTLE_SECONDS,
        )

    def _wait_until_gone(self) -> None:
        wait_until(lambda: self._find() is None, f"event source mapping {self.name}", SETTLE_SECONDS)


@dataclass(kw_only=True, eq=False)
class EventSourceMapping(_Mapping):
    """The mapping of a Kinesis stream."""

    immutable: ClassVar[frozenset[str]] = frozenset({"StartingPosition"})
    parameters: ClassVar[tuple[str, ...]] = (
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "ParallelizationFactor",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "FunctionResponseTypes",
        "DestinationConfig",
    )
    fixed: ClassVar[tuple[str, ...]] = ("StartingPosition",)

    @property
    def unset(self) -> Properties:
        # A tumbling window passes state and changes what is retried.
        return super().unset | {"TumblingWindowInSeconds": 0}

    def read(self) -> Properties | None:
        properties = super().read()
        if properties is None:
            return None
        found = self._find() or {}
        others = self._other_mappings()
        return properties | {
            "DestinationConfig": {"OnFailure": found.get("DestinationConfig", {}).get("OnFailure", {})},
            "TumblingWindowInSeconds": found.get("TumblingWindowInSeconds") or 0,
            "OtherFunctions": [each["FunctionArn"] for each in others],
            "Foreign": [
                f"a mapping {each['UUID']} of the stream to {each['FunctionArn'].rpartition(':function:')[2]}"
                for each in others
            ],
        }

    def _other_mappings(self) -> list[dict[str, Any]]:
        """Other readers of the stream through Lambda: a recovery under way, or somebody who must not."""
        return [mapping for mapping in self._of_the_source() if not self._is_ours(mapping)]


@dataclass(kw_only=True, eq=False)
class QueueMapping(_Mapping):
    """The mapping of an SQS queue. What it cannot deliver goes where the queue's redrive policy says."""

    parameters: ClassVar[tuple[str, ...]] = (
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "FunctionResponseTypes",
        "ScalingConfig",
    )
