"""The buckets: raw, curated, quarantine, artifacts, access-logs and audit, and the policy of each.

    python data_storage/s3_bucket_setup.py        # make or mend the buckets alone

Every policy takes its statements from data_governance/s3_access_policy.json. Its Deny statements on encryption refuse
an upload that names another algorithm or key, KMS without a key (S3 would take the account's own aws/s3), or a key that
the caller brings along (SSE-C). An upload that names none takes the bucket's default, which is the right key; the Null
conditions let it pass, which StringNotEquals alone would not.

The access-logs bucket is an exception by S3's own rules: log delivery accepts only SSE-S3 and no default Object Lock,
and a bucket that logs to itself would never stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_catalog.lake_layout import CORRECTED_PREFIX, QUARANTINE_PREFIX, STAGING_PREFIX
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.s3 import Bucket, BucketPolicy
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import bucket_id, bucket_policy_id, fraud_notification_id, key_arn
from infrastructure.settings import BUCKET_PURPOSES, Settings

POLICY_TEMPLATE = Path(__file__).resolve().parents[1] / "data_governance" / "s3_access_policy.json"

# The buckets' configuration, as plain data; a test holds infrastructure/terraform/ equal to it.
_TRANSPORT = ("DenyInsecureTransport", "DenyOutdatedTls", "DenyOtherAccounts")
_KEYS = ("DenyOtherKeys", "DenyKmsWithoutKey", "DenyKeysOfCallers")
_ENCRYPTION = ("DenyOtherEncryption", *_KEYS)
_INFREQUENT = "STANDARD_IA"
# S3's default since 2024, set so that it stays: in the colder classes a smaller object costs as much as one of 128 KiB.
SMALLEST_MOVED = "all_storage_classes_128K"
INCOMPLETE_UPLOAD_DAYS = 7
PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """The settings of one bucket. Days count from an object's creation, or for old versions from when they were
    replaced; 0 is never.

    key: purpose of its KMS key, "" for SSE-S3; locked: Object Lock as the settings say; moves: after how many days
    objects move to which storage class; expire_days: when they are deleted, -1 for settings.data_retention_years;
    old_version_days: when replaced versions are deleted; prefix_expire_days: prefixes that expire by themselves.
    """

    statements: tuple[str, ...] = (*_TRANSPORT, *_ENCRYPTION)
    key: str = "data"
    locked: bool = False
    logged: bool = True
    moves: tuple[tuple[int, str], ...] = ()
    expire_days: int = 0
    old_version_days: int = 30
    prefix_expire_days: tuple[tuple[str, int], ...] = ()
    keep: str = "it holds data"


BUCKETS: dict[str, BucketSpec] = {
    # Three months at hand (PCI DSS 10.5.1), then in colder storage, as long as the law demands. What reconcile and
    # replay read is never in a class that has to be restored first, and quarantine, which raw is compared with, is kept
    # as long.
    "raw": BucketSpec(locked=True, moves=((90, _INFREQUENT), (365, "GLACIER_IR")), expire_days=-1, old_version_days=90),
    "curated": BucketSpec(moves=((180, _INFREQUENT),), prefix_expire_days=((STAGING_PREFIX, 7),)),
    # Files of an Iceberg table are not expired by age: the table would still name them.
    "quarantine": BucketSpec(
        moves=((90, _INFREQUENT),), prefix_expire_days=((CORRECTED_PREFIX, -1), (QUARANTINE_PREFIX, -1))
    ),
    "artifacts": BucketSpec(old_version_days=90, keep=""),
    "access-logs": BucketSpec(
        statements=("AccessLogDelivery", *_TRANSPORT, "DenyKeysOfCallers"),
        key="",
        logged=False,
        moves=((90, _INFREQUENT),),
        expire_days=400,
    ),
    "audit": BucketSpec(
        # CloudTrail delivers its digest files with SSE-S3, whatever key the trail has.
        statements=(
            "CloudTrailChecksAcl",
            "CloudTrailWrites",
            *_TRANSPORT,
            "DenyOtherEncryptionButOfDigests",
            *_KEYS,
        ),
        key="audit",
        locked=True,
        moves=((90, _INFREQUENT), (365, "GLACIER")),
        expire_days=-1,
        old_version_days=90,
    ),
}
assert tuple(BUCKETS) == BUCKET_PURPOSES

_DAYS_A_YEAR = 365.25


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Each bucket and its policy."""
    found: list[Resource] = []
    for purpose, spec in BUCKETS.items():
        name = settings.bucket(purpose)
        found.append(
            Bucket(
                part="data_storage",
                name=name,
                clients=clients,
                region=settings.region,
                account_id=settings.account_id,
                own_notification=fraud_notification_id(settings) if purpose == "raw" else "",
                depends_on=(bucket_policy_id(settings, "access-logs"),) if spec.logged else (),
                keep=spec.keep,
                properties=bucket_properties(settings, purpose),
            )
        )
        found.append(
            BucketPolicy(
                part="data_storage",
                name=name,
                clients=clients,
                depends_on=(bucket_id(settings, purpose),),
                keep=spec.keep and "the bucket that it guards stays",
                guards=bucket_id(settings, purpose),
                properties={"PolicyDocument": bucket_policy(settings, purpose)},
            )
        )
    return found


def bucket_properties(settings: Settings, purpose: str) -> Properties:
    """The desired properties of a bucket."""
    spec = BUCKETS[purpose]
    return {
        "ObjectLock": {"Mode": settings.lock_mode, **settings.lock_period} if spec.locked else None,
        "Versioning": "Enabled",
        "Encryption": (
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn(settings, spec.key), "BucketKeyEnabled": True}
            if spec.key
            else {"SSEAlgorithm": "AES256", "BucketKeyEnabled": False}
        ),
        "PublicAccessBlock": PUBLIC_ACCESS_BLOCK,
        "ObjectOwnership": "BucketOwnerEnforced",
        "LifecycleRules": lifecycle_rules(settings, spec),
        "TransitionDefaultMinimumObjectSize": SMALLEST_MOVED,
        "Logging": (
            {"TargetBucket": settings.bucket("access-logs"), "TargetPrefix": f"{purpose}/"} if spec.logged else None
        ),
        "Tags": settings.all_tags | {"Purpose": purpose},
    }


def lifecycle_rules(settings: Settings, spec: BucketSpec) -> list[dict[str, Any]]:
    """The lifecycle rules of a bucket, in the API's form."""
    rule: dict[str, Any] = {
        "ID": "all-objects",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INCOMPLETE_UPLOAD_DAYS},
        "NoncurrentVersionExpiration": {"NoncurrentDays": spec.old_version_days},
    }
    if spec.moves:
        rule["Transitions"] = [{"Days": days, "StorageClass": storage} for days, storage in spec.moves]
    if spec.expire_days:
        rule["Expiration"] = {"Days": expiration_days(settings, spec.expire_days)}
    early = [
        {
            "ID": f"expire-{prefix.strip('/')}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": expiration_days(settings, days)},
        }
        for prefix, days in spec.prefix_expire_days
    ]
    return [rule, *early]


def expiration_days(settings: Settings, days: int) -> int:
    """How many days an object is kept, by a BucketSpec's expire_days."""
    return days if days > 0 else int(settings.data_retention_years * _DAYS_A_YEAR) + 1


def bucket_policy(settings: Settings, purpose: str) -> dict[str, Any]:
    """The policy of a bucket: its statements from the template, filled in."""
    spec = BUCKETS[purpose]
    values = {
        "partition": settings.partition,
        "account_id": settings.account_id,
        "prefix": settings.prefix,
        "bucket_arn": settings.bucket_arn(purpose),
        "trail_arn": settings.arn("cloudtrail", f"trail/{settings.trail_name}"),
        "key_arn": key_arn(settings, spec.key) if spec.key else "",
    }
    return policy_from(POLICY_TEMPLATE, values, spec.statements)


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
