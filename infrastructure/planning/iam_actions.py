"""The IAM actions behind an API call, for whoever has to allow it. Most have the call's name; those of S3 do not.

Source: the Service Authorization Reference of each service.
"""

from __future__ import annotations

import re

# Operation of S3 -> its actions, if their names differ.
_S3 = {
    "CreateMultipartUpload": ("PutObject",),
    "DeleteBucketCors": ("PutBucketCORS",),
    "DeleteBucketInventoryConfiguration": ("PutInventoryConfiguration",),
    "DeleteBucketReplication": ("PutReplicationConfiguration",),
    "DeleteObjects": ("DeleteObject", "DeleteObjectVersion"),
    "GetBucketAccelerateConfiguration": ("GetAccelerateConfiguration",),
    "GetBucketCors": ("GetBucketCORS",),
    "GetBucketEncryption": ("GetEncryptionConfiguration",),
    "GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration",),
    "GetBucketNotificationConfiguration": ("GetBucketNotification",),
    "GetBucketReplication": ("GetReplicationConfiguration",),
    "GetObjectLockConfiguration": ("GetBucketObjectLockConfiguration",),
    "GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
    "HeadBucket": ("ListBucket",),
    "HeadObject": ("GetObject",),
    "ListBucketInventoryConfigurations": ("GetInventoryConfiguration",),
    "ListMultipartUploads": ("ListBucketMultipartUploads",),
    "ListObjectsV2": ("ListBucket",),
    "ListObjectVersions": ("ListBucketVersions",),
    "PutBucketAccelerateConfiguration": ("PutAccelerateConfiguration",),
    "PutBucketEncryption": ("PutEncryptionConfiguration",),
    "PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration",),
    "PutBucketNotificationConfiguration": ("PutBucketNotification",),
    "PutObjectLockConfiguration": ("PutBucketObjectLockConfiguration",),
    "PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "UploadPart": ("PutObject",),
}
_WITHOUT_PERMISSION = frozenset({"sts:GetCallerIdentity"})
# The name of a service in an endpoint, in botocore or in a resource's type -> its IAM prefix, if they differ.
_PREFIXES = {
    "monitoring": "cloudwatch",
    "RedshiftServerless": "redshift-serverless",
}
_NAMED_BY_AWS = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")
_TYPE = re.compile(r"AWS::([A-Za-z0-9]+)::")


def actions_of(service: str, operation: str) -> tuple[str, ...]:
    """The actions that a call needs, e.g. s3:GetObject for HeadObject; none for what every identity may."""
    prefix = _PREFIXES.get(service, service.lower())
    names = _S3.get(operation, (operation,)) if prefix == "s3" else (operation,)
    return tuple(action for name in names if (action := f"{prefix}:{name}") not in _WITHOUT_PERMISSION)


def iam_action(operation: str, where: str, message: str) -> str:
    """The action to allow, e.g. s3:PutBucketPublicAccessBlock. where: begins with the resource's type, if there is one.

    An action that AWS's message names comes first: CreateFunction may be refused because iam:PassRole is missing.
    """
    named = _NAMED_BY_AWS.search(message)
    if named:
        return named[1]
    type_ = _TYPE.match(where)
    if not type_ and operation not in _S3:
        return f"the action of {operation}"
    return " and ".join(actions_of(type_[1] if type_ else "s3", operation))
