"""An SQS queue, as the planner sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.aws_errors import error_code, is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import retry_while

_RELEASE_SECONDS = 75  # a deleted queue's name is free again after 60 s
_ENOUGH_BYTES = 262_144  # SQS's least default
_AS_IF_UNSET = {"RedrivePolicy": "", "DelaySeconds": "0", "MaximumMessageSize": str(_ENOUGH_BYTES)}
_NUMBERS = ("MessageRetentionPeriod", "VisibilityTimeout", "KmsDataKeyReusePeriodSeconds")


@dataclass(kw_only=True, eq=False)
class Queue(Resource):
    """An encrypted SQS queue. Its outputs: Arn, Url. RedrivePolicy: deadLetterTargetArn, maxReceiveCount."""

    type: ClassVar[str] = "AWS::SQS::Queue"
    permissions: ClassVar[str] = (
        "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
        "sqs:SetQueueAttributes sqs:TagQueue"
    )
    policies: ClassVar[frozenset[str]] = frozenset({"Policy"})

    @property
    def unset(self) -> Properties:
        return {
            "RedrivePolicy": None,  # would move what nobody has dealt with to another queue
            "DelaySeconds": 0,
            "MaximumMessageSize": None,  # one that is too small refuses Lambda's messages
        }

    def read(self) -> Properties | None:
        url = self._url()
        if url is None:
            return None
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return {
            **{name: int(found[name]) for name in _NUMBERS if name in found},
            "KmsMasterKeyId": found.get("KmsMasterKeyId"),
            "Policy": found.get("Policy"),
            "Tags": self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {}),
            "RedrivePolicy": _redrive(found.get("RedrivePolicy")),
            "DelaySeconds": int(found.get("DelaySeconds", 0)),
            "MaximumMessageSize": _too_small(int(found.get("MaximumMessageSize", _ENOUGH_BYTES))),
            "Arn": found["QueueArn"],
            "Url": url,
        }

    def create(self, properties: Properties) -> None:
        attributes = _as_text(properties, properties.keys() - {"Tags"})
        retry_while(
            lambda error: "DeletedRecently" in error_code(error),
            lambda: self._sqs.create_queue(QueueName=self.name, Attributes=attributes, tags=properties["Tags"]),
            _RELEASE_SECONDS,
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        url = self._url()
        if changed - {"Tags"}:
            # All attributes at once, because moto drops a policy that is not sent again.
            unset = {name for name, value in self.unset.items() if properties[name] == value}
            attributes = _as_text(properties, properties.keys() - {"Tags", *unset})
            attributes |= {name: value for name, value in _AS_IF_UNSET.items() if name in changed & unset}
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        if "Tags" in changed:
            self._sqs.tag_queue(QueueUrl=url, Tags=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        url = self._url()
        if url is not None:
            self._sqs.delete_queue(QueueUrl=url)
        return None

    @property
    def _sqs(self) -> Any:
        return self.clients("sqs")

    def _url(self) -> str | None:
        try:
            url: str = self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        except self._sqs.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise
        return url


def _as_text(properties: Properties, names: set[str]) -> dict[str, str]:
    """Queue attributes in SQS's form: text, policies as JSON."""
    return {
        name: json.dumps(properties[name]) if isinstance(properties[name], dict) else str(properties[name])
        for name in sorted(names)
    }


def _redrive(text: str | None) -> dict[str, Any] | None:
    """The redrive policy; SQS answers the count as text or as a number, as it was put."""
    found: dict[str, Any] = json.loads(text or "{}")
    return found | {"maxReceiveCount": int(found["maxReceiveCount"])} if found else None


def _too_small(size: int) -> int | None:
    return size if size < _ENOUGH_BYTES else None
