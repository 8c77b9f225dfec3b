"""What others could set on a bucket beside the platform's own settings. All of it is to stay unset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infrastructure.planning.aws_errors import is_not_found
from infrastructure.planning.resource import Properties

UNSET: Properties = {
    "Replication": None,  # copies every object to where somebody else says
    "Inventories": [],  # lists every name there
    "Notifications": None,
    "Cors": None,
    "Website": None,
    "RequestPayer": "BucketOwner",
    "Acceleration": None,
}


def readers(s3: Any, bucket: str, own_notification: str) -> dict[str, Callable[[], Any]]:
    """How each of them is read. own_notification: the id of the one that is a resource of its own, "" for none."""

    def plain(call: str, key: str) -> Callable[[], Any]:
        return lambda: _answer(s3, bucket, call).get(key)

    return {
        "Replication": plain("get_bucket_replication", "ReplicationConfiguration"),
        "Inventories": lambda: _inventories(s3, bucket),
        "Notifications": lambda: _notifications(s3, bucket, lambda id_: id_ != own_notification),
        "Cors": plain("get_bucket_cors", "CORSRules"),
        "Website": lambda: _answer(s3, bucket, "get_bucket_website") or None,
        "RequestPayer": lambda: _answer(s3, bucket, "get_bucket_request_payment").get("Payer", "BucketOwner"),
        "Acceleration": lambda: _enabled(_answer(s3, bucket, "get_bucket_accelerate_configuration").get("Status")),
    }


def removers(s3: Any, bucket: str, own_notification: str) -> dict[str, Callable[[Any], object]]:
    """How each of them is taken off."""
    return {
        "Replication": lambda _: s3.delete_bucket_replication(Bucket=bucket),
        "Inventories": lambda _: [
            s3.delete_bucket_inventory_configuration(Bucket=bucket, Id=id_) for id_ in _inventories(s3, bucket)
        ],
        "Notifications": lambda _: s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration=_notifications(s3, bucket, lambda id_: "" != id_ == own_notification) or {},
        ),
        "Cors": lambda _: s3.delete_bucket_cors(Bucket=bucket),
        "Website": lambda _: s3.delete_bucket_website(Bucket=bucket),
        "RequestPayer": lambda payer: s3.put_bucket_request_payment(
            Bucket=bucket, RequestPaymentConfiguration={"Payer": payer}
        ),
        "Acceleration": lambda _: s3.put_bucket_accelerate_configuration(
            Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"}
        ),
    }


def _answer(s3: Any, bucket: str, call: str) -> dict[str, Any]:
    """What S3 answers; empty if it was never set."""
    try:
        found = getattr(s3, call)(Bucket=bucket)
    except ClientError as error:
        if is_not_found(error):
            return {}
        raise
    return {name: value for name, value in found.items() if value and name != "ResponseMetadata"}


def _notifications(s3: Any, bucket: str, is_among: Callable[[str], bool]) -> dict[str, Any] | None:
    """The bucket's notifications with these ids; None if there are none. EventBridge, which is on or off, has no id."""
    found = _answer(s3, bucket, "get_bucket_notification_configuration")
    among = {
        kind: [each for each in value if is_among(each.get("Id", ""))] if isinstance(value, list) else value
        for kind, value in found.items()
        if isinstance(value, list) or is_among("")
    }
    return {kind: value for kind, value in among.items() if value or not isinstance(value, list)} or None


def _inventories(s3: Any, bucket: str) -> list[str]:
    found = _answer(s3, bucket, "list_bucket_inventory_configurations")
    return [inventory["Id"] for inventory in found.get("InventoryConfigurationList", [])]


def _enabled(status: str | None) -> str | None:
    return status if status == "Enabled" else None
