"""Controls on the buckets and their policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data_catalog.lake_layout import STAGING_PREFIX
from data_governance.controls.control import (
    BUCKET,
    BUCKET_POLICY,
    GOOD_PRACTICE,
    Control,
    Severity,
    Subject,
    is_own_key,
    unless,
)
from data_governance.controls.policy_meaning import conditions, denies, let_in, listed, statements

YEAR = 365  # 10.5.1: twelve months
AT_HAND_DAYS = 90  # 10.5.1: three months immediately available
SCRATCH_DAYS = 30
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")  # what has to be restored before it can be read
_LOG_DELIVERY = {
    "-access-logs-": "S3 delivers access logs with SSE-S3 only, and a bucket that logs to itself never stops"
}
_ALGORITHM = "s3:x-amz-server-side-encryption"
_KEY_ID = "s3:x-amz-server-side-encryption-aws-kms-key-id"
_CALLERS_KEY = "s3:x-amz-server-side-encryption-customer-algorithm"
_COPIES = ("Replication", "Inventories", "Notifications", "Cors", "Website", "Acceleration")


def _blocked(bucket: Subject) -> list[str]:
    block = bucket["PublicAccessBlock"] or {}
    flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return [f"{flag} is off" for flag in flags if not block.get(flag)]


def _encrypted(bucket: Subject) -> list[str]:
    found = bucket["Encryption"] or {}
    good = found.get("SSEAlgorithm") == "aws:kms" and is_own_key(found.get("KMSMasterKeyID"), bucket.settings)
    return unless(good, f"is encrypted by {found.get('KMSMasterKeyID') or found.get('SSEAlgorithm') or 'nothing'}")


def _both(policy: Subject) -> tuple[str, str]:
    arn = f"arn:{policy.settings.partition}:s3:::{policy.name}"
    return arn, f"{arn}/*"


def _denied(policy: Subject, condition: dict[str, Any], fault: str) -> list[str]:
    return unless(denies(policy["PolicyDocument"], "s3:*", _both(policy), condition), fault)


def _tls(policy: Subject) -> list[str]:
    return _denied(policy, {"Bool": {"aws:SecureTransport": "false"}}, "no statement denies everything without TLS")


def _tls_version(policy: Subject) -> list[str]:
    return _denied(
        policy, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}, "no statement denies everything below TLS 1.2"
    )


def _other_accounts(policy: Subject) -> list[str]:
    condition = {
        "StringNotEquals": {"aws:PrincipalAccount": policy.account},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    return _denied(policy, condition, "no statement denies everything to other accounts")


def _uploads(policy: Subject) -> Iterator[str]:
    document, (_, objects) = policy["PolicyDocument"], _both(policy)
    is_audit = policy.is_bucket("audit")
    if not is_audit:  # CloudTrail delivers its digest files with SSE-S3, whatever key the trail has
        other = {"StringNotEquals": {_ALGORITHM: "aws:kms"}, "Null": {_ALGORITHM: "false"}}
        if not denies(document, "s3:PutObject", [objects], other):
            yield "an upload may name another algorithm than KMS"
    without = {"StringEquals": {_ALGORITHM: "aws:kms"}, "Null": {_KEY_ID: "true"}}
    if not denies(document, "s3:PutObject", [objects], without):
        yield "an upload may name KMS without a key, which is the account's own"
    if not _denies_other_keys(document, policy, objects):
        yield "an upload may name another key"
    if not denies(document, "s3:PutObject", [objects], {"Null": {_CALLERS_KEY: "false"}}):
        yield "an upload may bring along a key of the caller's"


def _denies_other_keys(document: Any, policy: Subject, objects: str) -> bool:
    """Whether every key but one of this account is denied; which one the plan compares."""
    keys = [
        str(value)
        for statement in statements(document)
        for operator, block in conditions(statement)
        if operator == "stringnotequals"
        for key, values in block.items()
        if key.lower() == _KEY_ID
        for value in listed(values)
    ]
    return any(
        is_own_key(key, policy.settings)
        and denies(document, "s3:PutObject", [objects], {"StringNotEquals": {_KEY_ID: key}, "Null": {_KEY_ID: "false"}})
        for key in keys
    )


def _logged(bucket: Subject) -> list[str]:
    target = (bucket["Logging"] or {}).get("TargetBucket")
    return unless(target == bucket.settings.bucket("access-logs"), f"logs access to {target or 'nowhere'}")


def _uncopied(bucket: Subject) -> list[str]:
    return [f"{name}: {bucket[name]}" for name in _COPIES if bucket[name]]


def _locked(bucket: Subject) -> list[str]:
    lock = bucket["ObjectLock"] or {}
    days = lock.get("Years", 0) * YEAR + lock.get("Days", 0)
    faults = unless(bucket["Versioning"] == "Enabled", "keeps no versions")
    return faults + unless(days >= YEAR, f"locks versions for {days} days")


def _rules(bucket: Subject) -> list[dict[str, Any]]:
    return [rule for rule in bucket["LifecycleRules"] or [] if rule.get("Status") == "Enabled"]


def _kept(bucket: Subject) -> Iterator[str]:
    for rule in _rules(bucket):
        expiration = rule.get("Expiration") or {}
        if "Date" in expiration or expiration.get("Days", YEAR) < YEAR:
            yield f"rule {rule.get('ID')} ends objects after {expiration.get('Days') or expiration.get('Date')} days"
        for move in rule.get("Transitions", []):
            if move.get("StorageClass") in _ARCHIVES and move.get("Days", 0) < AT_HAND_DAYS:
                yield f"rule {rule.get('ID')} archives objects after {move.get('Days')} days"


def _scratch_ends(bucket: Subject) -> list[str]:
    days = [
        (rule.get("Expiration") or {}).get("Days")
        for rule in _rules(bucket)
        if (rule.get("Filter") or {}) == {"Prefix": STAGING_PREFIX}
    ]
    ends = any(isinstance(each, int) and each <= SCRATCH_DAYS for each in days)
    return unless(ends, f"{STAGING_PREFIX} does not end within {SCRATCH_DAYS} days")


_POLICY = "aws s3api get-bucket-policy --bucket BUCKET"

BUCKETS: tuple[Control, ...] = (
    Control(
        "bucket-public-access",
        "1.4.4",
        ("S3.8",),
        "buckets block public access in all four ways",
        (BUCKET,),
        Severity.CRITICAL,
        "Find out who turned it off and what was read meanwhile (server access logs).",
        "aws s3api get-public-access-block --bucket BUCKET",
        _blocked,
    ),
    Control(
        "bucket-strangers",
        "7.2.1",
        ("S3.2", "S3.3", "S3.6"),
        "no bucket's policy lets in anybody of another account",
        (BUCKET_POLICY,),
        Severity.CRITICAL,
        "Look in the trail for what the stranger read; treat it as a breach if there was anything.",
        _POLICY,
        lambda policy: let_in(policy["PolicyDocument"], policy.account),
    ),
    Control(
        "bucket-other-accounts-denied",
        "7.2.1",
        ("S3.6",),
        "buckets refuse other accounts, whatever else a policy says",
        (BUCKET_POLICY,),
        Severity.HIGH,
        "",
        _POLICY,
        _other_accounts,
    ),
    Control(
        "bucket-encryption",
        "3.5.1",
        ("S3.17",),
        "buckets are encrypted with customer keys",
        (BUCKET,),
        Severity.HIGH,
        "Objects that were put meanwhile keep the key that they were put with: copy them onto themselves.",
        "aws s3api get-bucket-encryption --bucket BUCKET",
        _encrypted,
        exempt=_LOG_DELIVERY,
    ),
    Control(
        "bucket-uploads",
        "3.5.1",
        (),
        "buckets refuse uploads with another algorithm, another key, or a key of the caller's",
        (BUCKET_POLICY,),
        Severity.HIGH,
        "",
        _POLICY,
        _uploads,
        exempt=_LOG_DELIVERY,
    ),
    Control(
        "bucket-tls",
        "4.2.1",
        ("S3.5",),
        "buckets refuse requests without TLS",
        (BUCKET_POLICY,),
        Severity.HIGH,
        "",
        _POLICY,
        _tls,
    ),
    Control(
        "bucket-tls-version",
        "4.2.1",
        (),
        "buckets refuse TLS below 1.2",
        (BUCKET_POLICY,),
        Severity.MEDIUM,
        "",
        _POLICY,
        _tls_version,
    ),
    Control(
        "bucket-no-access-lists",
        "7.2.1",
        ("S3.12",),
        "buckets have no access lists",
        (BUCKET,),
        Severity.MEDIUM,
        "",
        "aws s3api get-bucket-ownership-controls --bucket BUCKET",
        lambda bucket: unless(
            bucket["ObjectOwnership"] == "BucketOwnerEnforced", f"ownership is {bucket['ObjectOwnership']}"
        ),
    ),
    Control(
        "bucket-not-copied",
        "7.2.1",
        (),
        "no bucket's objects, names or events go elsewhere, and no web page may read them",
        (BUCKET,),
        Severity.HIGH,
        "Find out where they went, and have the copies removed.",
        "aws s3api get-bucket-replication --bucket BUCKET",
        _uncopied,
    ),
    Control(
        "bucket-access-logged",
        "10.2.1",
        ("S3.9",),
        "buckets log access",
        (BUCKET,),
        Severity.MEDIUM,
        "What was read meanwhile is in the trail (data events).",
        "aws s3api get-bucket-logging --bucket BUCKET",
        _logged,
        exempt=_LOG_DELIVERY,
    ),
    Control(
        "bucket-versions",
        GOOD_PRACTICE,
        ("S3.14",),
        "buckets keep replaced versions",
        (BUCKET,),
        Severity.MEDIUM,
        "",
        "aws s3api get-bucket-versioning --bucket BUCKET",
        lambda bucket: unless(bucket["Versioning"] == "Enabled", f"versioning is {bucket['Versioning'] or 'off'}"),
        exempt={"-raw-": "judged by bucket-locked", "-audit-": "judged by bucket-locked"},
    ),
    Control(
        "bucket-locked",
        "10.3.4",
        ("S3.15",),
        "raw and audit keep every version for a year at least",
        (BUCKET,),
        Severity.HIGH,
        "Versions that were put meanwhile have the shorter lock: prolong it with put-object-retention.",
        "aws s3api get-object-lock-configuration --bucket BUCKET",
        _locked,
        only=("-raw-", "-audit-"),
    ),
    Control(
        "bucket-records-kept",
        "10.5.1",
        ("S3.13",),
        "records and logs are kept for twelve months, three of them at hand",
        (BUCKET,),
        Severity.HIGH,
        "",
        "aws s3api get-bucket-lifecycle-configuration --bucket BUCKET",
        _kept,
        only=("-raw-", "-audit-", "-access-logs-"),
    ),
    Control(
        "bucket-scratch-ends",
        "3.2.1",
        (),
        "query results and staged files are deleted within a month",
        (BUCKET,),
        Severity.MEDIUM,
        "",
        "aws s3api get-bucket-lifecycle-configuration --bucket BUCKET",
        _scratch_ends,
        only=("-curated-",),
    ),
)
