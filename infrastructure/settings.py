"""Every name, tag and tunable of the platform, derived in one place.

Each field is set by the environment variable of its name in capitals (STREAM_MODE, LAMBDA_MEMORY_MB, ...), also from a
.env file; .env.example lists them all. Nothing else reads settings: see from_environment in
infrastructure/settings_source.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from infrastructure.errors import PlatformError

Environment = Literal["dev", "test", "prod"]
ENVIRONMENTS: tuple[Environment, ...] = ("dev", "test", "prod")
ObjectLockMode = Literal["GOVERNANCE", "COMPLIANCE"]

BUCKET_PURPOSES = ("raw", "curated", "quarantine", "artifacts", "access-logs", "audit")
KEY_PURPOSES = ("data", "audit", "messaging")

# Prefixes inside the lake's buckets; the IAM policies, the catalog and the code agree on them through here.
RAW_TRANSACTIONS_PREFIX = "raw/transactions/"
RAW_CONTROL_PREFIX = "raw/control/"
QUARANTINE_PREFIX = "quarantine/"
CURATED_TRANSACTIONS_PREFIX = "curated/transactions/"
CURATED_FRAUD_ALERTS_PREFIX = "curated/fraud_alerts/"
RUNS_PREFIX = "runs/"  # manifests and results of ETL runs, in the curated bucket
STAGING_PREFIX = "staging/"  # scratch of a run, in the curated bucket; expires by lifecycle


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one environment in one account and region. Immutable; names are properties."""

    environment: Environment = "dev"
    region: str = "us-east-1"
    account_id: str = "123456789012"
    project: str = "banking-data"
    tags: dict[str, str] = field(default_factory=dict)
    expected_account_id: str = ""  # where set, nothing is changed in any other account

    # Keys and what waits before it is gone
    key_deletion_window_days: int = 30
    secret_recovery_window_days: int = 30
    log_retention_days: int = 365

    # Buckets
    object_lock_mode: ObjectLockMode | None = None  # None: COMPLIANCE in prod, GOVERNANCE elsewhere
    object_lock_years: int = 1
    data_retention_years: int = 7  # raw and audit; a bank's duty to keep records

    # Stream
    stream_mode: Literal["ON_DEMAND", "PROVISIONED"] = "ON_DEMAND"
    shard_count: int = 4  # PROVISIONED only
    stream_retention_hours: int = 168

    # Lambda and its event source mapping
    lambda_runtime: str = "python3.11"
    lambda_architecture: Literal["arm64", "x86_64"] = "arm64"
    lambda_memory_mb: int = 512
    lambda_timeout_seconds: int = 60
    batch_size: int = 1000
    batch_window_seconds: int = 1
    maximum_retry_attempts: int = -1  # until the record is too old
    maximum_record_age_seconds: int = 86_400
    parallelization_factor: int = 1
    lambda_reserved_concurrency: int = 50  # 0: none reserved; else at least shards x parallelization_factor

    # Warehouse
    warehouse_database: str = "banking"
    warehouse_schema: str = "banking"

    def __post_init__(self) -> None:
        for problem, todo in _problems(self):
            raise PlatformError("settings", problem, todo)

    @property
    def prefix(self) -> str:
        """What every name begins with, e.g. banking-data-dev."""
        return f"{self.project}-{self.environment}"

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags on everything that takes tags."""
        own = {"Project": self.project, "Environment": self.environment, "ManagedBy": "orchestrate_pipeline"}
        return self.tags | own

    @property
    def lock_mode(self) -> ObjectLockMode:
        """Object Lock mode of raw and audit."""
        return self.object_lock_mode or ("COMPLIANCE" if self.environment == "prod" else "GOVERNANCE")

    @property
    def stream_name(self) -> str:
        return f"{self.prefix}-transactions"

    @property
    def function_name(self) -> str:
        return f"{self.prefix}-process-transaction"

    @property
    def on_failure_queue_name(self) -> str:
        return f"{self.prefix}-process-transaction-failures"

    @property
    def tokenization_secret_name(self) -> str:
        return f"{self.prefix}/tokenization-key"

    @property
    def glue_database(self) -> str:
        return f"{self.prefix}".replace("-", "_")

    @property
    def glue_job_name(self) -> str:
        return f"{self.prefix}-etl-transactions"

    @property
    def metrics_namespace(self) -> str:
        return f"BankingDataPlatform/{self.environment}"

    def bucket(self, purpose: str) -> str:
        """The bucket of a purpose (BUCKET_PURPOSES); account and region make it unique in the world."""
        if purpose not in BUCKET_PURPOSES:
            raise ValueError(f"no bucket of purpose {purpose!r}")
        return f"{self.prefix}-{purpose}-{self.account_id}-{self.region}"

    def key_alias(self, purpose: str) -> str:
        """The alias of a customer key of a purpose (KEY_PURPOSES)."""
        if purpose not in KEY_PURPOSES:
            raise ValueError(f"no key of purpose {purpose!r}")
        return f"alias/{self.prefix}-{purpose}"

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """An ARN in this account that has no region, e.g. of an IAM role."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"

    def bucket_arn(self, purpose: str) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket(purpose)}"

    def role_arn(self, purpose: str) -> str:
        return self.global_arn("iam", f"role/{self.role_name(purpose)}")

    @property
    def partition(self) -> str:
        """The AWS partition of the region, the second word of every ARN."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def stream_arn(self) -> str:
        return self.arn("kinesis", f"stream/{self.stream_name}")

    @property
    def function_arn(self) -> str:
        return self.arn("lambda", f"function:{self.function_name}")

    @property
    def on_failure_queue_arn(self) -> str:
        return self.arn("sqs", self.on_failure_queue_name)

    @property
    def trail_name(self) -> str:
        """The audit trail; it is seen in every region, and so named after its own."""
        return f"{self.prefix}-audit-{self.region}"

    @property
    def function_log_group(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def role_name(self, purpose: str) -> str:
        """The IAM role of a purpose, e.g. lambda, glue, redshift. Roles have no region, so their names tell it.

        IAM takes 64 characters: a name that is short enough for the buckets is for the roles.
        """
        return f"{self.prefix}-{purpose}-{self.region}"

    @property
    def dashboard_name(self) -> str:
        """The CloudWatch dashboard; like roles, dashboards have no region."""
        return f"{self.prefix}-pipeline-{self.region}"


# What AWS allows, and what the platform asks for beyond it.
_RANGES: dict[str, tuple[int, int, str]] = {
    "stream_retention_hours": (168, 8760, "hours; records must outlive a long weekend's outage"),
    "shard_count": (1, 10_000, "shards"),
    "key_deletion_window_days": (7, 30, "days"),
    "secret_recovery_window_days": (7, 30, "days"),
    "object_lock_years": (1, 100, "years; PCI DSS asks for 12 months"),
    "data_retention_years": (1, 100, "years"),
    "lambda_memory_mb": (128, 10_240, "MiB"),
    "lambda_timeout_seconds": (1, 900, "seconds"),
    "batch_size": (1, 10_000, "records"),
    "batch_window_seconds": (0, 300, "seconds"),
    "maximum_retry_attempts": (-1, 10_000, "attempts; -1 is without end"),
    "maximum_record_age_seconds": (60, 604_800, "seconds"),
    "parallelization_factor": (1, 10, "batches of one shard at once"),
    "lambda_reserved_concurrency": (0, 10_000, "executions"),
}
_LOG_RETENTION_DAYS = (365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)  # CloudWatch Logs' own steps
_CHOICES: dict[str, tuple[str | int | None, ...]] = {
    "environment": ENVIRONMENTS,
    "stream_mode": ("ON_DEMAND", "PROVISIONED"),
    "lambda_architecture": ("arm64", "x86_64"),
    "object_lock_mode": (None, "GOVERNANCE", "COMPLIANCE"),
    "log_retention_days": _LOG_RETENTION_DAYS,
}
_PLAIN_NAME = (r"[a-z][a-z0-9_]{0,62}", "a plain name: lower-case letters, digits and underscores")
_FORMS: dict[str, tuple[str, str]] = {
    "region": (r"[a-z]{2}(-[a-z]+)+-[0-9]", "a region such as eu-central-1"),
    "account_id": (r"[0-9]{12}", "twelve digits"),
    "expected_account_id": (r"([0-9]{12})?", "twelve digits, or nothing"),
    "project": (r"[a-z][a-z0-9-]{0,20}[a-z0-9]", "2 to 22 lower-case letters, digits and hyphens"),
    "lambda_runtime": (r"python3\.1[1-3]", "python3.11, python3.12 or python3.13"),
    "warehouse_database": _PLAIN_NAME,
    "warehouse_schema": _PLAIN_NAME,
}
_BUCKET_NAME_MAX = 63


def _problems(settings: Settings) -> list[tuple[str, str]]:
    """(what is wrong, what to do) for each setting outside its bounds."""
    found: list[tuple[str, str]] = []
    for name, (low, high, unit) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            found.append((f"{name.upper()} is {value}", f"Set it to {low} to {high} {unit}."))
    for name, choices in _CHOICES.items():
        value = getattr(settings, name)
        if value not in choices:
            allowed = ", ".join(str(choice) for choice in choices if choice is not None)
            found.append((f"{name.upper()} is {value!r}", f"Set it to one of {allowed}."))
    for name, (form, wanted) in _FORMS.items():
        value = getattr(settings, name)
        if not re.fullmatch(form, value):
            found.append((f"{name.upper()} is {value!r}", f"Set it to {wanted}."))
    if settings.key_deletion_window_days < settings.secret_recovery_window_days:
        found.append(
            (
                f"KEY_DELETION_WINDOW_DAYS ({settings.key_deletion_window_days}) is less than "
                f"SECRET_RECOVERY_WINDOW_DAYS ({settings.secret_recovery_window_days})",
                "Make it as long: a secret that is restored after its key is gone cannot be read.",
            )
        )
    if not found:
        longest = max((settings.bucket(purpose) for purpose in BUCKET_PURPOSES), key=len)
        if len(longest) > _BUCKET_NAME_MAX:
            found.append((f"the bucket name {longest} has {len(longest)} characters, S3 takes 63", "Shorten PROJECT."))
    return found
