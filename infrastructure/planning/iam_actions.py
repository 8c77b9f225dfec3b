"""The IAM action behind an API call, for whoever has to allow it. Most have the call's name; those of S3 do not."""

from __future__ import annotations

import re

# Operation -> action, if their names differ.
_ACTIONS = {
    "DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
# the service in a resource's type -> its IAM prefix, if they differ
_SERVICES = {"RedshiftServerless": "redshift-serverless"}
_NAMED_BY_AWS = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")
_TYPE = re.compile(r"AWS::([A-Za-z0-9]+)::")


def iam_action(operation: str, where: str, message: str) -> str:
    """The action to allow, e.g. s3:PutBucketPublicAccessBlock. where: begins with the resource's type, if there is one.

    An action that AWS's message names comes first: CreateFunction may be refused because iam:PassRole is missing.
    """
    named = _NAMED_BY_AWS.search(message)
    if named:
        return named[1]
    if operation in _ACTIONS:
        return _ACTIONS[operation]
    type_ = _TYPE.match(where)
    if not type_:
        return f"the action of {operation}"
    return f"{_SERVICES.get(type_[1], type_[1].lower())}:{operation}"
