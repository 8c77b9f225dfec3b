"""One event notification of a bucket, as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.s3 import settled
from infrastructure.planning.aws_errors import is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource

_QUEUES = "QueueConfigurations"


@dataclass(kw_only=True, eq=False)
class BucketNotification(Resource):
    """What a bucket tells a queue. name: bucket/id of the notification.

    S3 keeps all notifications of a bucket as one document and replaces it whole, so the others are read and written
    back: what to do about those is the bucket's own matter.
    """

    type: ClassVar[str] = "AWS::S3::BucketNotification"
    permissions: ClassVar[str] = "s3:GetBucketNotification s3:PutBucketNotification"
    unordered: ClassVar[frozenset[str]] = frozenset({"Events"})

    def read(self) -> Properties | None:
        try:
            found = [each for each in self._document().get(_QUEUES, []) if each.get("Id") == self._id]
        except self._s3.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise
        if not found:
            return None
        rules = found[0].get("Filter", {}).get("Key", {}).get("FilterRules", [])
        return {
            "QueueArn": found[0]["QueueArn"],
            "Events": found[0]["Events"],
            "Filter": {rule["Name"].lower(): rule["Value"] for rule in rules},
        }

    def create(self, properties: Properties) -> None:
        rules = [{"Name": name, "Value": value} for name, value in properties["Filter"].items()]
        own = {
            "Id": self._id,
            "QueueArn": properties["QueueArn"],
            "Events": properties["Events"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
        self._put(own)

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        if self.read() is not None:
            self._put()
        return None

    @property
    def _s3(self) -> Any:
        return self.clients("s3")

    @property
    def _bucket(self) -> str:
        return self.name.partition("/")[0]

    @property
    def _id(self) -> str:
        return self.name.partition("/")[2]

    def _document(self) -> dict[str, Any]:
        found = self._s3.get_bucket_notification_configuration(Bucket=self._bucket)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def _put(self, *own: dict[str, Any]) -> None:
        document = self._document()
        others = [each for each in document.pop(_QUEUES, []) if each.get("Id") != self._id]
        queues = {_QUEUES: [*others, *own]} if others or own else {}
        settled(
            lambda: self._s3.put_bucket_notification_configuration(
                Bucket=self._bucket, NotificationConfiguration=document | queues
            )
        )
