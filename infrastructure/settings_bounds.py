"""What each setting may be: AWS's own limits, and what the platform asks for beyond them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

import botocore.session

from infrastructure.errors import PlatformError


class Problem(NamedTuple):
    """One setting that cannot be used: what is wrong with it, and what to do."""

    what: str
    todo: str


def settings_error(problems: Sequence[Problem]) -> PlatformError:
    """All problems as one error."""
    if len(problems) == 1:
        return PlatformError("settings", *problems[0])
    each = "".join(f"\n  {problem.what}. {problem.todo}" for problem in problems)
    return PlatformError("settings", f"{len(problems)} cannot be used", f"Correct these:{each}")


def problems_of(values: Mapping[str, Any]) -> list[Problem]:
    """Every setting outside its bounds. Contradictions between settings are checked once each is valid by itself.

    values: by the name of the field of Settings.
    """
    alone = [
        *_out_of_range(values),
        *_not_among_choices(values),
        *_malformed(values),
        *_unfit_webhook(values["fraud_webhook_url"]),
        *_odd_steps(values),
    ]
    return alone or list(_contradictions(values))


_RANGES: dict[str, tuple[int, int, str]] = {
    "expected_tps": (1, 1_000_000, "transactions a second"),
    "stream_retention_hours": (168, 8760, "hours; records must outlive a long weekend's outage"),
    "shard_count": (1, 10_000, "shards"),
    "pending_expiry_days": (1, 366, "days"),
    "key_deletion_window_days": (7, 30, "days"),
    "secret_recovery_window_days": (7, 30, "days"),
    "token_key_max_age_days": (1, 3650, "days"),
    "token_key_overlap_days": (2, 366, "days; fraud rules look a day back and a day ahead"),
    "object_lock_years": (1, 100, "years; PCI DSS asks for 12 months"),
    "object_lock_days": (0, 365, "days; 0 leaves it to OBJECT_LOCK_YEARS"),
    "data_retention_years": (1, 100, "years"),
    "lambda_memory_mb": (128, 10_240, "MiB"),
    "lambda_timeout_seconds": (1, 900, "seconds"),
    "batch_size": (1, 10_000, "records"),
    "batch_window_seconds": (0, 300, "seconds"),
    "maximum_retry_attempts": (-1, 10_000, "attempts; -1 is without end"),
    "maximum_record_age_seconds": (60, 604_800, "seconds"),
    "parallelization_factor": (1, 10, "batches of one shard at once"),
    "lambda_reserved_concurrency": (0, 10_000, "executions"),
    "fraud_maximum_concurrency": (2, 1000, "objects at once"),
    "alarm_iterator_age_seconds": (10, 86_400, "seconds"),
    "alarm_quarantine_percent": (0, 100, "percent"),
    "alarm_silence_minutes": (0, 1440, "minutes; 0 is without an alarm on silence"),
    "glue_workers": (2, 299, "workers"),
    "glue_timeout_minutes": (1, 2880, "minutes"),
    "snapshot_retention_days": (1, 365, "days"),
    "deduplication_window_days": (0, 3650, "days; 0 is everything that is curated"),
    "athena_scan_limit_gib": (1, 7000, "GiB"),
    "redshift_base_capacity": (4, 1024, "RPU"),
    "redshift_max_capacity": (4, 5632, "RPU"),
    "redshift_daily_rpu_hours": (0, 5632 * 24, "RPU hours; 0 is without limit"),
}
_LOG_RETENTION_DAYS = (365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)  # CloudWatch Logs' own steps
_CHOICES: dict[str, tuple[str | int | None, ...]] = {
    "environment": ("dev", "test", "prod", "acceptance"),
    "latency_profile": ("fast", "balanced", "cheap"),
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
    "project": (
        r"(?!.{23})[a-z](-?[a-z0-9]){1,21}",  # CloudTrail takes no two hyphens in a row
        "2 to 22 lower-case letters and digits, in words joined by single hyphens",
    ),
    "lambda_runtime": (r"python3\.1[1-4]", "python3.11 to python3.14"),
    "warehouse_database": _PLAIN_NAME,
    "warehouse_schema": _PLAIN_NAME,
    "permissions_boundary_arn": (r"(arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+)?", "the ARN of an IAM policy"),
    "token_key_break_glass_role": (r"([\w+=,.@/-]{1,512})?", "the name of an IAM role (no ARN), with its path"),
    "alarm_emails": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "addresses such as oncall@bank.example, separated by commas"),
    "alarm_page_emails": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "addresses such as oncall@bank.example, separated by commas"),
    "runbook_url": (r"[^\s\"]{1,300}", "a URL, or a path in the project"),
    "glue_version": (r"[5-9]\.[0-9]", "a Glue version such as 5.1"),
    "glue_worker_type": (r"G\.(1|2|4|8|12|16)X|R\.(1|2|4|8)X", "a Glue worker type such as G.1X"),
    "lambda_subnet_ids": (r"subnet-[0-9a-f]+", "subnet ids, separated by commas"),
    "lambda_security_group_ids": (r"sg-[0-9a-f]+", "security group ids, separated by commas"),
    "redshift_subnet_ids": (r"subnet-[0-9a-f]+", "subnet ids, separated by commas"),
    "redshift_security_group_ids": (r"sg-[0-9a-f]+", "security group ids, separated by commas"),
    "warehouse_auditors": (r"[\w+=.@-]{1,64}", "names of IAM roles (no ARNs), separated by commas"),
}
_GLUE_MINUTES = (0, 5, 6, 10, 12, 15, 20, 30, 60)  # divisors of an hour; Glue's shortest interval is five minutes
NEEDED_SUBNETS = 3  # Redshift Serverless demands three subnets in three zones


def _out_of_range(values: Mapping[str, Any]) -> Iterator[Problem]:
    for name, (low, high, unit) in _RANGES.items():
        value = values[name]
        if not low <= value <= high:
            yield Problem(f"{name.upper()} is {value}", f"Set it to {low} to {high} {unit}.")


def _not_among_choices(values: Mapping[str, Any]) -> Iterator[Problem]:
    for name, choices in _CHOICES.items():
        value = values[name]
        if value not in choices:
            allowed = ", ".join(str(choice) for choice in choices if choice is not None)
            yield Problem(f"{name.upper()} is {value!r}", f"Set it to one of {allowed}.")


def _malformed(values: Mapping[str, Any]) -> Iterator[Problem]:
    for name, (form, wanted) in _FORMS.items():
        value = values[name]
        for item in (value,) if isinstance(value, str) else value:
            if not re.fullmatch(form, item):
                yield Problem(f"{name.upper()} is {item!r}", f"Set it to {wanted}.")
            elif name == "region":
                yield from _unusable_region(item)


def _unfit_webhook(url: str) -> Iterator[Problem]:
    """The URL is never repeated: it may hold a password, or a secret of the receiver's in its path."""
    host = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
    after = r"([/?][!$&-;=?-Z_a-z~%]*)?"
    if not re.fullmatch(rf"(https://{host}{after}|http://(127\.0\.0\.1|localhost)(:[0-9]{{1,5}})?{after})?", url):
        yield Problem(
            "FRAUD_WEBHOOK_URL is not what alerts may be posted to",
            "Set it to an https:// URL without user, password and fragment (http:// for 127.0.0.1 and localhost "
            "only), or to nothing.",
        )


def _unusable_region(region: str) -> Iterator[Problem]:
    partitions = _partitions()
    if region not in partitions:
        near = get_close_matches(region, partitions, n=1)
        todo = f"Did you mean {near[0]}?" if near else "Set it to a region such as eu-central-1."
        yield Problem(f"AWS_REGION is {region!r}, which is no AWS region", todo)
    elif partitions[region] not in DNS_SUFFIXES:
        yield Problem(
            f"AWS_REGION is {region!r}: the policies are not written for its partition ({partitions[region]})",
            f"Set it to a region of one of {', '.join(DNS_SUFFIXES)}.",
        )


# The partitions that the platform can stand in, with what their services' names end with.
DNS_SUFFIXES = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}


def partition_of(region: str) -> str:
    """The partition of a region."""
    return _partitions()[region]


@cache
def _partitions() -> dict[str, str]:
    """Region -> partition, as this version of botocore knows them."""
    partitions = botocore.session.get_session().get_component("data_loader").load_data("partitions")["partitions"]
    return {
        region: partition["id"]
        for partition in partitions
        for region in partition["regions"]
        if not region.endswith("-global")
    }


def _odd_steps(values: Mapping[str, Any]) -> Iterator[Problem]:
    minutes, units = values["glue_every_minutes"], values["redshift_base_capacity"]
    if minutes not in _GLUE_MINUTES:
        yield Problem(
            f"GLUE_EVERY_MINUTES is {minutes}",
            "Set it to 5, 6, 10, 12, 15, 20, 30 or 60 (Glue's schedules start at five minutes), or to 0 for none.",
        )
    if 4 <= units <= 1024 and units != 4 and units % (8 if units <= 512 else 32):
        yield Problem(
            f"REDSHIFT_BASE_CAPACITY is {units}",
            "Set it to 4, to a multiple of 8 up to 512, or to a multiple of 32 up to 1024 RPU.",
        )


def _contradictions(values: Mapping[str, Any]) -> Iterator[Problem]:
    key_days, secret_days = values["key_deletion_window_days"], values["secret_recovery_window_days"]
    if key_days < secret_days:
        yield Problem(
            f"KEY_DELETION_WINDOW_DAYS ({key_days}) is less than SECRET_RECOVERY_WINDOW_DAYS ({secret_days})",
            "Make it as long: a secret that is restored after its key is gone cannot be read.",
        )
    if values["environment"] == "prod" and values["object_lock_days"]:
        yield Problem(
            f"OBJECT_LOCK_DAYS is {values['object_lock_days']} in prod",
            "Leave it empty there: PCI DSS asks for 12 months, and OBJECT_LOCK_YEARS says how many.",
        )
    if bool(values["lambda_subnet_ids"]) != bool(values["lambda_security_group_ids"]):
        yield Problem(
            "LAMBDA_SUBNET_IDS and LAMBDA_SECURITY_GROUP_IDS are not set together",
            "Name both, or neither: a function in a network needs subnets and security groups.",
        )
    subnets = set(values["redshift_subnet_ids"])
    if 0 < len(subnets) < NEEDED_SUBNETS:
        yield Problem(
            f"REDSHIFT_SUBNET_IDS names {len(subnets)} subnets",
            f"Name {NEEDED_SUBNETS} or more, in as many zones: Redshift Serverless takes no fewer.",
        )
    if values["redshift_workgroup"] and values["redshift_cluster"]:
        yield Problem("REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set", "Name one of the two, or none.")
    base, most = values["redshift_base_capacity"], values["redshift_max_capacity"]
    if most < base:
        yield Problem(f"REDSHIFT_MAX_CAPACITY is {most}", f"Set it to REDSHIFT_BASE_CAPACITY ({base}) or above.")
