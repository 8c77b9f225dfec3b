"""PCI DSS controls, and whether the account meets them: requirement -> setting of a resource -> check on what exists.

    python data_governance/compliance_controls.py        # read the account, print each control; exit 1 if one fails

Requirements are those of PCI DSS v4.0.1, in the mapping of AWS Security Hub and AWS Config. Each check judges what the
account answers, never what this code intends to make. Controls that belong to the account and not to this platform
(GuardDuty, the account's own public access block, access reviews) are listed in ELSEWHERE and not checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infrastructure.planning.plan import Reading, read_all
from infrastructure.planning.resource import UNSUPPORTED, Properties, Resource, Unsupported

KEPT_DAYS = 365  # 10.5.1: twelve months

_LOG_DELIVERY = "S3 delivers access logs with SSE-S3 only, and a bucket that logs to itself never stops"


@dataclass(frozen=True, slots=True)
class Control:
    """One control on all resources of a type. exempt: part of a resource's name -> why it cannot meet the control."""

    requirement: str
    what: str
    type: str
    check: Callable[[Properties], bool]
    only: str = ""  # part of the names of the resources that it applies to
    exempt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one control: the resources that meet it, that fail it, and that could not be read."""

    control: Control
    met: tuple[str, ...]
    failed: tuple[str, ...]
    unknown: tuple[str, ...]


def _statements(policy: Any) -> list[dict[str, Any]]:
    document = json.loads(policy) if isinstance(policy, str) else policy or {}
    statements: list[dict[str, Any]] = document.get("Statement", [])
    return statements


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _denies_without_tls(policy: Any) -> bool:
    return any(
        each["Effect"] == "Deny" and each.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
        for each in _statements(policy)
    )


def _only_the_root_may_all(policy: Any) -> bool:
    return all(
        str(each["Principal"].get("AWS", "")).endswith(":root")
        for each in _statements(policy)
        if each["Effect"] == "Allow" and any("*" in action for action in _listed(each["Action"]))
    )


def _least_privilege(role: Properties) -> bool:
    actions = [action for each in _statements(role["PolicyDocument"]) for action in _listed(each["Action"])]
    return bool(actions) and not any("*" in action for action in actions) and role["OtherPolicies"] == []


def _for_this_account_only(role: Properties) -> bool:
    return all(
        "aws:SourceAccount" in each.get("Condition", {}).get("StringEqualsIfExists", {})
        for each in _statements(role["AssumeRolePolicyDocument"])
    )


def _records_the_lake(trail: Properties) -> bool:
    recorded = [
        value
        for selector in trail["AdvancedEventSelectors"]
        if not any(one["Field"] == "readOnly" for one in selector["FieldSelectors"])
        for one in selector["FieldSelectors"]
        if one["Field"] == "resources.ARN"
        for value in one.get("StartsWith", [])
    ]
    return all(any(f"-{purpose}-" in value for value in recorded) for purpose in ("raw", "curated", "quarantine"))


_BUCKET, _KEY, _GROUP, _ROLE = "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::IAM::Role"
_TRAIL, _ALARM = "AWS::CloudTrail::Trail", "AWS::CloudWatch::Alarm"
_NAMESPACE, _WORKGROUP = "AWS::RedshiftServerless::Namespace", "AWS::RedshiftServerless::Workgroup"
_ACCESS_LOGS = {"-access-logs-": _LOG_DELIVERY}

CONTROLS: tuple[Control, ...] = (
    Control(
        "1.4.4",
        "buckets block public access in all four ways (S3.8)",
        _BUCKET,
        lambda bucket: bool(bucket["PublicAccessBlock"]) and all(bucket["PublicAccessBlock"].values()),
    ),
    Control("1.4.4", "the warehouse has no public address", _WORKGROUP, lambda group: not group["publiclyAccessible"]),
    Control(
        "3.5.1",
        "buckets are encrypted with customer keys (S3.17)",
        _BUCKET,
        lambda bucket: bool((bucket["Encryption"] or {}).get("KMSMasterKeyID")),
        exempt=_ACCESS_LOGS,
    ),
    Control(
        "3.5.1", "the stream is encrypted (Kinesis.1)", "AWS::Kinesis::Stream", lambda s: bool(s["EncryptionKeyId"])
    ),
    Control("3.5.1", "log groups are encrypted", _GROUP, lambda group: bool(group["KmsKeyId"])),
    Control("3.5.1", "the alarm topic is encrypted", "AWS::SNS::Topic", lambda topic: bool(topic["KmsMasterKeyId"])),
    Control(
        "3.5.1", "the on-failure queue is encrypted", "AWS::SQS::Queue", lambda queue: bool(queue["KmsMasterKeyId"])
    ),
    Control(
        "3.5.1",
        "query results are encrypted, whatever the client asks for",
        "AWS::Athena::WorkGroup",
        lambda group: (
            bool(group["EnforceWorkGroupConfiguration"])
            and (group["ResultConfiguration"] or {}).get("EncryptionConfiguration", {}).get("EncryptionOption")
            == "SSE_KMS"
        ),
    ),
    Control("3.5.1", "the warehouse is encrypted with a customer key", _NAMESPACE, lambda n: ":key/" in n["kmsKeyId"]),
    Control(
        "3.6.1",
        "the tokenisation keys are encrypted with a customer key",
        "AWS::SecretsManager::Secret",
        lambda secret: ":key/" in (secret["KmsKeyId"] or ""),
    ),
    Control("3.7.4", "customer keys rotate (KMS.4)", _KEY, lambda key: bool(key["Rotation"]["Enabled"])),
    Control(
        "3.7.5", "no customer key is disabled or about to go (KMS.3)", _KEY, lambda key: key["KeyState"] == "Enabled"
    ),
    Control(
        "3.6.1",
        "no key grants everything but to the account",
        _KEY,
        lambda key: _only_the_root_may_all(key["KeyPolicy"]),
    ),
    Control(
        "4.2.1",
        "buckets refuse requests without TLS (S3.5)",
        "AWS::S3::BucketPolicy",
        lambda policy: _denies_without_tls(policy["PolicyDocument"]),
    ),
    Control(
        "4.2.1", "the queue refuses requests without TLS", "AWS::SQS::Queue", lambda q: _denies_without_tls(q["Policy"])
    ),
    Control(
        "4.2.1", "the topic refuses requests without TLS", "AWS::SNS::Topic", lambda t: _denies_without_tls(t["Policy"])
    ),
    Control(
        "4.2.1",
        "the warehouse takes connections with TLS only",
        _WORKGROUP,
        lambda group: group["ConfigParameters"].get("require_ssl") == "true",
    ),
    Control("7.2.5", "roles name each action, and have no further policies", _ROLE, _least_privilege),
    Control("7.2.5", "roles are assumed for this account only", _ROLE, _for_this_account_only),
    Control(
        "7.2.1",
        "buckets have no access lists (S3.12)",
        _BUCKET,
        lambda bucket: bucket["ObjectOwnership"] == "BucketOwnerEnforced",
    ),
    Control(
        "8.3.9",
        "the warehouse's password is made and rotated by Secrets Manager",
        _NAMESPACE,
        lambda namespace: bool(namespace["manageAdminPassword"]),
    ),
    Control(
        "10.2.1",
        "buckets log access (S3.9)",
        _BUCKET,
        lambda bucket: bool(bucket["Logging"]),
        exempt=_ACCESS_LOGS,
    ),
    Control(
        "10.2.1",
        "a trail logs in all regions (CloudTrail.1)",
        _TRAIL,
        lambda trail: bool(trail["IsLogging"] and trail["IsMultiRegionTrail"]),
    ),
    Control(
        "10.2.1.1", "the trail records reads and writes of the lake's objects (S3.22, S3.23)", _TRAIL, _records_the_lake
    ),
    Control(
        "10.2.1.1",
        "the warehouse logs connections, users and statements",
        _NAMESPACE,
        lambda namespace: set(namespace["logExports"]) == {"connectionlog", "useractivitylog", "userlog"},
    ),
    Control(
        "10.3.2",
        "the trail is encrypted with a customer key (CloudTrail.2)",
        _TRAIL,
        lambda trail: bool(trail["KmsKeyId"]),
    ),
    Control(
        "10.3.4",
        "the trail's files are validated (CloudTrail.4)",
        _TRAIL,
        lambda trail: bool(trail["EnableLogFileValidation"]),
    ),
    Control(
        "10.3.4",
        "the audit bucket keeps every version for a year at least (S3.15)",
        _BUCKET,
        lambda bucket: bucket["Versioning"] == "Enabled" and (bucket["ObjectLock"] or {}).get("Years", 0) >= 1,
        only="-audit-",
    ),
    Control(
        "10.5.1",
        "log groups keep twelve months at least (CloudWatch.16)",
        _GROUP,
        lambda group: (group["RetentionInDays"] or 0) >= KEPT_DAYS,
    ),
    Control(
        "10.7.2",
        "alarms act (CloudWatch.15, CloudWatch.17)",
        _ALARM,
        lambda alarm: bool(alarm["ActionsEnabled"] and alarm["AlarmActions"]),
    ),
)

ELSEWHERE: dict[str, str] = {
    "1.4.4": "public access block of the account (S3.1)",
    "7.2.4": "review of who may do what, twice a year",
    "8.4": "multi-factor log-in of people (MFA delete cannot stand beside lifecycle rules; Object Lock does its work)",
    "11.5.1": "GuardDuty",
}


def verdicts(resources: Sequence[Resource]) -> list[Verdict]:
    """Read the resources and judge each control."""
    readings = read_all(resources)
    return [judge(control, resources, readings) for control in CONTROLS]


class _Answered(dict[str, Any]):
    """Properties as read. A property that this endpoint cannot read raises Unsupported, so nothing is judged by it."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is UNSUPPORTED:
            raise Unsupported(f"{name} is not told here")
        return value


def judge(control: Control, resources: Sequence[Resource], readings: Mapping[str, Reading]) -> Verdict:
    """The verdict on one control. A resource that does not exist fails it: absence meets no control."""
    met: list[str] = []
    failed: list[str] = []
    unknown: list[str] = []
    for resource in _asked(control, resources):
        reading = readings[resource.id]
        try:
            holds = reading.actual is not None and control.check(_Answered(reading.actual))
        except Unsupported:
            unknown.append(resource.name)
            continue
        (unknown if reading.unsupported else met if holds else failed).append(resource.name)
    return Verdict(control, tuple(met), tuple(failed), tuple(unknown))


def _asked(control: Control, resources: Sequence[Resource]) -> Iterator[Resource]:
    for resource in resources:
        exempt = any(part in resource.name for part in control.exempt)
        if resource.wanted and resource.type == control.type and control.only in resource.name and not exempt:
            yield resource


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("verify")
