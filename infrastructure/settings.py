"""Every name, tag and tunable of the platform, in one place.

Each field is set by the environment variable of its name in capitals (STREAM_MODE, LAMBDA_MEMORY_MB, ...), or by that
name in a .env file; .env.example lists them all. infrastructure/settings_source.py reads them,
infrastructure/settings_bounds.py says what each may be.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from infrastructure.settings_bounds import DNS_SUFFIXES, Problem, partition_of, problems_of, settings_error

Environment = Literal["dev", "test", "prod", "acceptance"]
ENVIRONMENTS: tuple[Environment, ...] = ("dev", "test", "prod", "acceptance")
ObjectLockMode = Literal["GOVERNANCE", "COMPLIANCE"]

BUCKET_PURPOSES = ("raw", "curated", "quarantine", "artifacts", "access-logs", "audit")
KEY_PURPOSES = ("data", "tokens", "audit", "messaging")
_BUCKET_NAME_MAX = 63

# What a profile sets, unless it is set by itself: latency against the bill (docs/cost.md has both).
PROFILES: dict[str, dict[str, int]] = {
    "fast": {"batch_window_seconds": 1},
    "balanced": {},
    "cheap": {"batch_window_seconds": 10, "glue_every_minutes": 60},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one environment in one account and region, and the names that follow from them. Immutable.

    Raises one PlatformError that lists every value out of bounds.
    """

    environment: Environment = "dev"
    region: str = "us-east-1"
    account_id: str = "123456789012"
    project: str = "banking-data"
    tags: dict[str, str] = field(default_factory=dict)
    expected_tps: int = 100  # transactions a second, on average, with which plan and estimate reckon
    latency_profile: Literal["fast", "balanced", "cheap"] = "balanced"  # PROFILES, when settings are read
    expected_account_id: str = ""  # if set, no other account is ever changed
    emulated_endpoint: bool = False  # the endpoint is an emulator's, though not on loopback (which always is one)

    # Keys, and how long what is deleted can be recovered
    key_deletion_window_days: int = 30
    secret_recovery_window_days: int = 30
    token_key_break_glass_role: str = ""  # the IAM role, with its path, that may read and rotate the tokenisation key
    token_key_max_age_days: int = 365  # PCI DSS 3.7.4 asks for a cryptoperiod; older, `status` asks for a rotation
    token_key_overlap_days: int = 30  # how long the former key stays, so that cards in use are linked
    log_retention_days: int = 365

    # Buckets
    object_lock_mode: ObjectLockMode | None = None  # None: COMPLIANCE in prod, GOVERNANCE elsewhere
    object_lock_years: int = 1
    object_lock_days: int = 0  # if set, it stands instead of the years; prod refuses it
    data_retention_years: int = 7  # of raw and audit; the law makes banks keep records

    # Stream
    stream_mode: Literal["ON_DEMAND", "PROVISIONED"] = "ON_DEMAND"
    shard_count: int = 4  # PROVISIONED only
    stream_retention_hours: int = 168

    # Lambda and its event source mapping
    lambda_runtime: str = "python3.11"
    lambda_architecture: Literal["arm64", "x86_64"] = "arm64"
    lambda_memory_mb: int = 512
    lambda_timeout_seconds: int = 60
    batch_size: int = 5000  # with the window: how many raw objects there are, which all that follows lists
    batch_window_seconds: int = 5
    maximum_retry_attempts: int = -1  # -1: until the record is too old
    maximum_record_age_seconds: int = 604_800  # as long as the stream keeps records, at most what Lambda takes
    parallelization_factor: int = 1
    lambda_subnet_ids: tuple[str, ...] = ()  # with the security groups: the function's network; empty: Lambda's own
    lambda_security_group_ids: tuple[str, ...] = ()
    lambda_reserved_concurrency: int = 0  # 0: none reserved; else at least shards x parallelization_factor

    # Fraud alerts seconds after the landing
    stream_alerts: bool = True  # false: no queue, function, table, topic and notification for them; the job raises all
    fraud_maximum_concurrency: int = 10  # objects that are looked at at the same time
    fraud_webhook_url: str = ""  # where each alert is posted to, signed; empty: nothing of that exists

    # Warehouse: the name of an existing workgroup or cluster; without one, the platform makes its own workgroup
    warehouse_database: str = "banking"
    warehouse_schema: str = "banking"
    redshift_enabled: bool = True  # false: a lake without a warehouse; the job does not load
    redshift_workgroup: str = ""
    redshift_cluster: str = ""
    redshift_base_capacity: int = 8  # Redshift processing units
    redshift_max_capacity: int = 64
    redshift_daily_rpu_hours: int = 200  # the own workgroup stops for the rest of the day; 0: no limit
    redshift_subnet_ids: tuple[str, ...] = ()  # empty: the subnets of the default VPC
    redshift_security_group_ids: tuple[str, ...] = ()
    pending_expiry_days: int = 30  # after which an unsettled authorisation counts as expired
    warehouse_auditors: tuple[str, ...] = ()  # names of IAM roles that may run status and reconcile

    # Roles, trail, alarms, the Glue job, Athena
    trail_management_events: bool = (
        True  # false: another trail of the account records them, each further copy is billed
    )
    permissions_boundary_arn: str = ""  # a permissions boundary for every role; many banks demand one
    alarm_emails: tuple[str, ...] = ()  # each owner has to confirm the subscription by mail
    alarm_page_emails: tuple[str, ...] = ()  # who is woken by the composite alarms alone
    alarm_iterator_age_seconds: int = 300
    alarm_quarantine_percent: int = 5
    alarm_silence_minutes: int = 0  # longer than the stream is ever idle, nights and weekends too; 0: no such alarm
    runbook_url: str = "docs/runbook"  # where the runbook's pages lie; in the description of each alarm
    glue_version: str = "5.1"
    glue_worker_type: str = "G.1X"  # only G.1X and G.2X can run on spare capacity (Flex)
    glue_workers: int = 4
    glue_timeout_minutes: int = 120
    glue_every_minutes: int = 15  # 0: the job is started by hand or by the bank's own scheduler
    snapshot_retention_days: int = 7  # of the lake's tables: longer than a load may lag
    fraud_rules_file: str = ""  # a file of fraud rules in place of data_processing/fraud_rules.toml
    deduplication_window_days: int = 45  # around a batch's event dates; 0: everything that is curated
    athena_scan_limit_gib: int = 100  # a query is stopped there

    def __post_init__(self) -> None:
        if problems := problems_of({each.name: getattr(self, each.name) for each in fields(self)}):
            raise settings_error(problems)
        longest = self.bucket("access-logs")
        if len(longest) > _BUCKET_NAME_MAX:
            what = f"the bucket name {longest} has {len(longest)} characters, S3 takes {_BUCKET_NAME_MAX}"
            raise settings_error([Problem(what, "Shorten PROJECT.")])

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
    def lock_period(self) -> dict[str, int]:
        """How long Object Lock keeps a version of raw and audit, in the API's form."""
        return {"Days": self.object_lock_days} if self.object_lock_days else {"Years": self.object_lock_years}

    @property
    def creates_warehouse(self) -> bool:
        """Whether the platform makes a warehouse of its own."""
        return self.redshift_enabled and not (self.redshift_workgroup or self.redshift_cluster)

    @property
    def delivers_alerts(self) -> bool:
        """Whether alerts are posted to a webhook."""
        return self.stream_alerts and bool(self.fraud_webhook_url)

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

    def role_name(self, purpose: str) -> str:
        """The IAM role of a purpose, e.g. lambda, glue, redshift. Roles are global, so the name carries the region.

        IAM allows 64 characters; a prefix that fits the bucket names fits here too.
        """
        return f"{self.prefix}-{purpose}-{self.region}"

    @property
    def trail_name(self) -> str:
        """The audit trail. It shows up in every region, so its name carries its own."""
        return f"{self.prefix}-audit-{self.region}"

    @property
    def dashboard_name(self) -> str:
        """The CloudWatch dashboard. Dashboards are global, so the name carries the region."""
        return f"{self.prefix}-pipeline-{self.region}"

    @property
    def function_log_group(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def partition(self) -> str:
        """The AWS partition of the region: the second part of every ARN, e.g. aws."""
        return partition_of(self.region)

    @property
    def dns_suffix(self) -> str:
        """What the names of regional service principals and endpoints end with, e.g. amazonaws.com."""
        return DNS_SUFFIXES[self.partition]

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
    def stream_arn(self) -> str:
        return self.arn("kinesis", f"stream/{self.stream_name}")

    @property
    def function_arn(self) -> str:
        return self.arn("lambda", f"function:{self.function_name}")

    @property
    def on_failure_queue_arn(self) -> str:
        return self.arn("sqs", self.on_failure_queue_name)
