"""A control: what has to hold of every resource of some types, by which requirement, and how it is seen.

A check is pure: it takes what the account answers of one resource and gives the faults that it finds, none if the
control is met. A check that cannot be made (the endpoint does not tell a property, or answers a form that nobody
expects) is reported so and never counts as met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from infrastructure.planning.resource import UNSUPPORTED, Properties, Unsupported
from infrastructure.settings import Settings


class Severity(Enum):
    """How bad it is if a control fails, in the words of Security Hub."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Subject:
    """One resource as the account answers it. looked_at: the properties that a check has read, for the evidence; now:
    when it is judged, for what grows old.
    """

    name: str
    type: str
    settings: Settings
    answered: Properties
    looked_at: dict[str, Any] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __getitem__(self, name: str) -> Any:
        """A property as read. Raises Unsupported if this endpoint does not tell it, so that nothing is judged by it."""
        if name not in self.answered:
            raise Unsupported(f"{name} is not answered")
        value = self.answered[name]
        if value is UNSUPPORTED:
            raise Unsupported(f"{name} is not told by this endpoint")
        self.looked_at[name] = value
        return value

    @property
    def account(self) -> str:
        return self.settings.account_id

    def is_bucket(self, *purposes: str) -> bool:
        return self.name in {self.settings.bucket(purpose) for purpose in purposes}


Check = Callable[[Subject], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Control:
    """One control.

    id: what a report calls it; requirement: of PCI DSS v4.0.1, or GOOD_PRACTICE; standards: ids of Security Hub (S3.8)
    or rules of AWS Config; what: what holds if it is met; types: of the resources that it is about; remedy: what to do
    beside `apply`; evidence: the command by which an assessor sees it, with the resource's name in capitals; only:
    parts of names, of which a resource has one if it is about it; exempt: part of a name -> why that resource cannot
    meet it; asked: whether these settings ask for it; by_hand: apply leaves it alone, so that the remedy is all.
    """

    id: str
    requirement: str
    standards: tuple[str, ...]
    what: str
    types: tuple[str, ...]
    severity: Severity
    remedy: str
    evidence: str
    check: Check
    only: tuple[str, ...] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)
    asked: Callable[[Settings], bool] = lambda settings: True
    by_hand: bool = False

    @property
    def todo(self) -> str:
        """What to do if it fails."""
        return self.remedy if self.by_hand else f"apply mends it. {self.remedy}".rstrip()


GOOD_PRACTICE = "good practice"

BUCKET, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
KEY, SECRET = "AWS::KMS::Key", "AWS::SecretsManager::Secret"
ROLE, ROLE_POLICY = "AWS::IAM::Role", "AWS::IAM::RolePolicy"
STREAM, FUNCTION, MAPPING, QUEUE = (
    "AWS::Kinesis::Stream",
    "AWS::Lambda::Function",
    "AWS::Lambda::EventSourceMapping",
    "AWS::SQS::Queue",
)
FRAUD_TABLE = "AWS::DynamoDB::Table"
LOG_GROUP, TRAIL, METRIC_FILTER = "AWS::Logs::LogGroup", "AWS::CloudTrail::Trail", "AWS::Logs::MetricFilter"
ALARM, COMPOSITE_ALARM = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
TOPIC, SUBSCRIPTION = "AWS::SNS::Topic", "AWS::SNS::Subscription"
JOB, SECURITY_CONFIGURATION = "AWS::Glue::Job", "AWS::Glue::SecurityConfiguration"
TABLE, ICEBERG_TABLE, DATABASE = "AWS::Glue::Table", "AWS::Glue::IcebergTable", "AWS::Glue::Database"
WORKGROUP_ATHENA = "AWS::Athena::WorkGroup"
NAMESPACE, WORKGROUP = "AWS::RedshiftServerless::Namespace", "AWS::RedshiftServerless::Workgroup"


def unless(holds: object, fault: str) -> list[str]:
    """The fault, unless what should hold does."""
    return [] if holds else [fault]


def is_own_key(arn: Any, settings: Settings) -> bool:
    """Whether a key is a customer key of this account: AWS's own keys are known by an alias or not named at all."""
    prefix = f"arn:{settings.partition}:kms:{settings.region}:{settings.account_id}:key/"
    return isinstance(arn, str) and arn.startswith(prefix)


def own_key(property_: str) -> Check:
    """A check that a property names a customer key of this account."""

    def check(subject: Subject) -> list[str]:
        key = subject[property_]
        return unless(is_own_key(key, subject.settings), f"is encrypted with {key or 'no key of its own'}")

    return check
