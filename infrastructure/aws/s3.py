"""A bucket, its policy, and an object that the job runs from, as the planner sees them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

from infrastructure.aws import s3_additions
from infrastructure.aws.s3_emptying import empty_bucket
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code, is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource, Unsupported
from infrastructure.planning.waiting import retry_while

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
_FIRST_REGION = "us-east-1"  # the one region that must not be given as LocationConstraint
_SETTLE_SECONDS = 120


def settled(call: Callable[[], T]) -> T:
    """The call's value, made again while S3 is still working on the bucket.

    409 OperationAborted: it was made, changed or deleted a moment ago. 404 NoSuchBucket: it was made a moment ago, and
    the answer comes from a place that does not know it yet (terraform-provider-aws, issues 7628 and 33552).
    """
    return retry_while(lambda error: error_code(error) in ("NoSuchBucket", "OperationAborted"), call, _SETTLE_SECONDS)


def _patient(write: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: settled(lambda: write(value))


def _unless_gone(call: Callable[[], object]) -> None:
    """Make a call, again while S3 is still working on the bucket; that it is gone already is no error."""
    try:
        retry_while(lambda error: error_code(error) == "OperationAborted", call, _SETTLE_SECONDS)
    except ClientError as error:
        if not is_not_found(error):
            raise


@contextlib.contextmanager
def policy_aside(s3: S3Client, bucket: str, emulated: bool) -> Iterator[None]:
    """A bucket without its policy, on emulators only: they enforce a Deny whatever its condition says."""
    policy = _policy(s3, bucket) if emulated else None
    if policy:
        _unless_gone(lambda: s3.delete_bucket_policy(Bucket=bucket))
    try:
        yield
    finally:
        if policy:
            _unless_gone(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=policy))


def _policy(s3: S3Client, bucket: str) -> str | None:
    try:
        return s3.get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


@dataclass(kw_only=True, eq=False)
class Bucket(Resource):
    """An S3 bucket with all of its own settings; its policy is a resource of its own, and its notification.

    own_notification: the id of the latter, "" for none.
    """

    type: ClassVar[str] = "AWS::S3::Bucket"
    permissions: ClassVar[str] = (
        "s3:AbortMultipartUpload s3:CreateBucket s3:DeleteBucket s3:DeleteBucketWebsite s3:DeleteObject "
        "s3:DeleteObjectVersion s3:GetAccelerateConfiguration s3:GetBucketCORS s3:GetBucketLogging "
        "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
        "s3:GetBucketPolicy s3:GetBucketPublicAccessBlock s3:GetBucketRequestPayment s3:GetBucketTagging "
        "s3:GetBucketVersioning s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetInventoryConfiguration "
        "s3:GetLifecycleConfiguration s3:GetReplicationConfiguration s3:ListBucket s3:ListBucketMultipartUploads "
        "s3:ListBucketVersions s3:PutAccelerateConfiguration s3:PutBucketCORS s3:PutBucketLogging "
        "s3:PutBucketNotification s3:PutBucketObjectLockConfiguration s3:PutBucketOwnershipControls "
        "s3:PutBucketPublicAccessBlock s3:PutBucketRequestPayment s3:PutBucketTagging s3:PutBucketVersioning "
        "s3:PutEncryptionConfiguration s3:PutInventoryConfiguration s3:PutLifecycleConfiguration "
        "s3:PutReplicationConfiguration"
    )
    not_emulated: ClassVar[dict[str, str]] = {"Inventories": "moto removes the bucket with its inventory"}

    region: str
    account_id: str
    own_notification: str = ""

    @property
    def unset(self) -> Properties:
        return s3_additions.UNSET

    def read(self) -> Properties | None:
        if not self._exists():
            return None
        return {
            "ObjectLock": self.readable(self._object_lock),
            "Versioning": self.readable(lambda: self._get("get_bucket_versioning", "Status")),
            "Encryption": self.readable(self._encryption),
            "PublicAccessBlock": self.readable(
                lambda: self._get("get_public_access_block", "PublicAccessBlockConfiguration")
            ),
            "ObjectOwnership": self.readable(self._ownership),
            "LifecycleRules": self.readable(self._lifecycle),
            "TransitionDefaultMinimumObjectSize": self.readable(
                lambda: self._get("get_bucket_lifecycle_configuration", "TransitionDefaultMinimumObjectSize")
            ),
            "Logging": self.readable(self._logging),
            **{name: self.readable(read) for name, read in self._additions.items()},
            "Tags": self.readable(self._tags),
        }

    def create(self, properties: Properties) -> None:
        place: dict[str, Any] = {}
        if self.region != _FIRST_REGION:
            place["CreateBucketConfiguration"] = {"LocationConstraint": self.region}
        if properties["ObjectLock"]:
            place["ObjectLockEnabledForBucket"] = True
        settled(
            lambda: self._s3.create_bucket(Bucket=self.name, ObjectOwnership=properties["ObjectOwnership"], **place)
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        # In this order: public access is blocked before anything else, and Object Lock needs versioning.
        writers: dict[str, Callable[[Any], object]] = {
            "PublicAccessBlock": self._put("put_public_access_block", "PublicAccessBlockConfiguration"),
            "ObjectOwnership": lambda value: self._s3.put_bucket_ownership_controls(
                Bucket=self.name, OwnershipControls={"Rules": [{"ObjectOwnership": value}]}
            ),
            "Encryption": self._encrypt,
            "Versioning": lambda value: self._s3.put_bucket_versioning(
                Bucket=self.name, VersioningConfiguration={"Status": value}
            ),
            "ObjectLock": self._lock,
            "LifecycleRules": lambda _: self._put_lifecycle(properties),
            "TransitionDefaultMinimumObjectSize": lambda _: (
                None if "LifecycleRules" in changed else self._put_lifecycle(properties)
            ),
            "Logging": lambda value: self._s3.put_bucket_logging(
                Bucket=self.name, BucketLoggingStatus={"LoggingEnabled": value} if value else {}
            ),
            "Tags": self._tag,
            **s3_additions.removers(self._s3, self.name, self.own_notification),
        }
        self.write_each(changed, properties, {name: _patient(write) for name, write in writers.items()})

    def delete(self) -> DeletionPending | None:
        if not self._exists():
            return None
        with policy_aside(self._s3, self.name, self.clients.emulated):
            return self._empty_and_delete()

    def _empty_and_delete(self) -> DeletionPending | None:
        locked = empty_bucket(self._s3, self.name)
        if locked:
            return DeletionPending(locked.note(self.name), needs_dependencies=True, until=locked.end)
        try:
            _unless_gone(lambda: self._s3.delete_bucket(Bucket=self.name))
        except self._s3.exceptions.ClientError as error:
            if error_code(error) != "BucketNotEmpty":
                raise
            # Access logs and trail files are delivered hours after the events that they record.
            note = f"{self.name} was written to while it was emptied; destroy again in a few hours"
            return DeletionPending(note, needs_dependencies=True, until="until it can be removed")
        return None

    @property
    def _s3(self) -> Any:
        return self.clients("s3")

    @property
    def _additions(self) -> dict[str, Callable[[], Any]]:
        return s3_additions.readers(self._s3, self.name, self.own_notification)

    def _exists(self) -> bool:
        try:
            self._s3.head_bucket(Bucket=self.name, ExpectedBucketOwner=self.account_id)
        except self._s3.exceptions.ClientError as error:
            if is_not_found(error):
                return False
            if error_code(error) == "403":
                raise PlatformError(
                    f"{self.type} {self.name}",
                    "exists, but belongs to another account or refuses this identity",
                    "Allow s3:ListBucket on it; if it is another account's, set another PROJECT (names are global).",
                ) from error
            raise
        return True

    def _get(self, call: str, key: str) -> Any:
        """One part of the bucket's configuration, None if it was never set."""
        try:
            return getattr(self._s3, call)(Bucket=self.name).get(key)
        except self._s3.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise

    def _put(self, call: str, key: str) -> Callable[[Any], None]:
        return lambda value: getattr(self._s3, call)(Bucket=self.name, **{key: value})

    def _object_lock(self) -> dict[str, Any] | None:
        configuration = self._get("get_object_lock_configuration", "ObjectLockConfiguration") or {}
        retention = configuration.get("Rule", {}).get("DefaultRetention")
        return {key: retention[key] for key in ("Mode", "Years", "Days") if retention.get(key)} if retention else None

    def _encryption(self) -> dict[str, Any] | None:
        configuration = self._get("get_bucket_encryption", "ServerSideEncryptionConfiguration")
        if not configuration:
            return None
        rule = configuration["Rules"][0]
        default = rule["ApplyServerSideEncryptionByDefault"]
        return {key: default[key] for key in ("SSEAlgorithm", "KMSMasterKeyID") if default.get(key)} | {
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)
        }

    def _encrypt(self, value: dict[str, Any]) -> None:
        default = {key: item for key, item in value.items() if key != "BucketKeyEnabled"}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": value["BucketKeyEnabled"]}
        self._s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def _ownership(self) -> str | None:
        controls = self._get("get_bucket_ownership_controls", "OwnershipControls")
        return controls["Rules"][0]["ObjectOwnership"] if controls else None

    def _put_lifecycle(self, properties: Properties) -> None:
        """Rules and smallest size go together: one without the other would be reset."""
        self._s3.put_bucket_lifecycle_configuration(
            Bucket=self.name,
            LifecycleConfiguration={"Rules": properties["LifecycleRules"]},
            TransitionDefaultMinimumObjectSize=properties["TransitionDefaultMinimumObjectSize"],
        )

    def _lifecycle(self) -> list[dict[str, Any]]:
        rules = self._get("get_bucket_lifecycle_configuration", "Rules") or []
        return [_plain_rule(rule) for rule in rules]

    def _logging(self) -> dict[str, Any] | None:
        found = self._get("get_bucket_logging", "LoggingEnabled")
        if found and "SimplePrefix" in found.get("TargetObjectKeyFormat", {}):
            del found["TargetObjectKeyFormat"]  # the default
        return found or None

    def _tags(self) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._get("get_bucket_tagging", "TagSet") or []}

    def _tag(self, tags: dict[str, str]) -> None:
        merged = self._tags() | tags  # the call replaces all tags, so others' tags are sent along
        own = [{"Key": key, "Value": value} for key, value in merged.items() if not key.startswith("aws:")]
        self._s3.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": own})

    def _lock(self, value: dict[str, Any] | None) -> None:
        if not value:
            raise PlatformError(
                f"{self.type} {self.name}", "has an Object Lock that nothing asks for", "Remove its default retention."
            )
        self._s3.put_object_lock_configuration(
            Bucket=self.name,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": value}},
        )


def _plain_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A lifecycle rule as it was put: without the defaults that the service adds. What narrows it stays."""
    plain = {key: value for key, value in rule.items() if value not in (None, {}, [])}
    found = {key: value for key, value in rule.get("Filter", {}).items() if value is not None}
    plain["Filter"] = found or {"Prefix": rule.get("Prefix", "")}
    plain.pop("Prefix", None)
    if "Transitions" in plain:  # sorted, because neither S3 nor Terraform keeps the order
        plain["Transitions"] = sorted(
            plain["Transitions"], key=lambda move: (move.get("Days", 0), str(move.get("Date")))
        )
    expiration = plain.get("Expiration")
    if expiration and "Days" in expiration:
        plain["Expiration"] = {"Days": expiration["Days"]}
    return plain


@dataclass(kw_only=True, eq=False)
class BucketPolicy(Resource):
    """The policy of a bucket.

    moto enforces Deny statements without reading their conditions, so it refuses every object call on a bucket with
    this policy. Whoever uses objects on moto removes the policy first.
    """

    type: ClassVar[str] = "AWS::S3::BucketPolicy"
    permissions: ClassVar[str] = "s3:DeleteBucketPolicy s3:GetBucketPolicy s3:PutBucketPolicy"
    policies: ClassVar[frozenset[str]] = frozenset({"PolicyDocument"})

    def read(self) -> Properties | None:
        policy = _policy(self.clients("s3"), self.name)
        return None if policy is None else {"PolicyDocument": policy}

    def create(self, properties: Properties) -> None:
        document = json.dumps(properties["PolicyDocument"])
        settled(lambda: self.clients("s3").put_bucket_policy(Bucket=self.name, Policy=document))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        _unless_gone(lambda: self.clients("s3").delete_bucket_policy(Bucket=self.name))
        return None


# Once the bucket has its policy, emulators refuse every upload.
DENY_WITHOUT_CONDITION = "emulators enforce the bucket's Deny statements without their conditions"


def content_sha256(content: bytes) -> str:
    """The hash in the form that S3 stores."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")


@dataclass(kw_only=True, eq=False)
class S3Object(Resource):
    """An object that the Glue job runs from. name: "bucket/key". The key names the content, so new content is a new
    key.

    S3 stores the content's hash, so an overwritten object shows up as drift.
    """

    type: ClassVar[str] = "AWS::S3::Object"
    permissions: ClassVar[str] = "s3:DeleteObject s3:GetObject s3:PutObject"
    implied: ClassVar[str] = "kms:Decrypt kms:GenerateDataKey"

    content: Callable[[], bytes]

    def read(self) -> Properties | None:
        if self.clients.emulated:
            raise Unsupported(DENY_WITHOUT_CONDITION)
        bucket, key = self._place
        try:
            found = self._s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except self._s3.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise
        return {"Sha256": found.get("ChecksumSHA256")}

    def create(self, properties: Properties) -> None:
        bucket, key = self._place
        settled(
            lambda: self._s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=self.content(),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=properties["Sha256"],
            )
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        bucket, key = self._place
        _unless_gone(lambda: self._s3.delete_object(Bucket=bucket, Key=key))
        return None

    @property
    def _s3(self) -> Any:
        return self.clients("s3")

    @property
    def _place(self) -> tuple[str, str]:
        bucket, _, key = self.name.partition("/")
        return bucket, key
