"""Settings of the services around the pipeline: roles, alarms, job, queries, warehouse.

Read as Settings are (infrastructure/settings.py): each field is set by the environment variable of its name in
capitals, also from a .env file. Kept apart because provisioning alone reads them; names stay with Settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from infrastructure.errors import PlatformError
from infrastructure.settings_source import _parse, read_environment


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the services are given. Immutable.

    Raises PlatformError where a value is outside what AWS takes.
    """

    permissions_boundary_arn: str = ""  # IAM policy that bounds every role; many banks ask for one

    # Alarms
    alarm_emails: tuple[str, ...] = ()  # each confirms its subscription from a mail
    alarm_iterator_age_seconds: int = 300
    alarm_quarantine_percent: int = 5

    # The Glue job
    glue_version: str = "5.1"
    glue_worker_type: str = "G.1X"  # spare capacity (Flex) is to be had as G.1X and G.2X
    glue_workers: int = 4
    glue_timeout_minutes: int = 120
    glue_retries: int = 1
    glue_every_minutes: int = 15  # 0: the job is started by hand or by the bank's own scheduler

    # Athena
    athena_scan_limit_gib: int = 100  # a query is stopped there

    # Redshift: an existing workgroup or cluster by name, or a serverless warehouse of the platform's own
    redshift_enabled: bool = True  # false: a lake without a warehouse; the job does not load
    redshift_workgroup: str = ""
    redshift_cluster: str = ""
    redshift_base_capacity: int = 8  # Redshift processing units
    redshift_max_capacity: int = 64
    redshift_subnet_ids: tuple[str, ...] = ()  # none: those of the default VPC
    redshift_security_group_ids: tuple[str, ...] = ()
    warehouse_auditors: tuple[str, ...] = ()  # IAM roles whose people may ask it for status and reconcile

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise PlatformError("settings", f"{name.upper()} is {value}", f"Set it to {low} to {high} {unit}.")
        for name, (form, wanted) in _FORMS.items():
            value = getattr(self, name)
            for item in (value,) if isinstance(value, str) else value:
                if item and not re.fullmatch(form, item):
                    raise PlatformError("settings", f"{name.upper()} is {item!r}", f"Set it to {wanted}.")
        self._check_together()

    def _check_together(self) -> None:
        if 0 < len(set(self.redshift_subnet_ids)) < NEEDED_SUBNETS:
            raise PlatformError(
                "settings",
                f"REDSHIFT_SUBNET_IDS names {len(set(self.redshift_subnet_ids))} subnets",
                f"Name {NEEDED_SUBNETS} or more, in as many zones: Redshift Serverless takes no fewer.",
            )
        if self.glue_every_minutes not in _GLUE_MINUTES:
            raise PlatformError(
                "settings",
                f"GLUE_EVERY_MINUTES is {self.glue_every_minutes}",
                "Set it to 5, 6, 10, 12, 15, 20, 30 or 60 (Glue's schedules start at five minutes), or to 0 for none.",
            )
        if self.redshift_workgroup and self.redshift_cluster:
            raise PlatformError(
                "settings", "REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set", "Name one of the two, or none."
            )
        if not _is_base_capacity(self.redshift_base_capacity):
            raise PlatformError(
                "settings",
                f"REDSHIFT_BASE_CAPACITY is {self.redshift_base_capacity}",
                "Set it to 4, to a multiple of 8 up to 512, or to a multiple of 32 up to 1024 RPU.",
            )
        if self.redshift_max_capacity < self.redshift_base_capacity:
            raise PlatformError(
                "settings",
                f"REDSHIFT_MAX_CAPACITY is {self.redshift_max_capacity}",
                f"Set it to REDSHIFT_BASE_CAPACITY ({self.redshift_base_capacity}) or above.",
            )

    @property
    def creates_warehouse(self) -> bool:
        """Whether the platform makes a warehouse of its own."""
        return self.redshift_enabled and not (self.redshift_workgroup or self.redshift_cluster)


def _is_base_capacity(units: int) -> bool:
    return units == 4 or units % (8 if units <= 512 else 32) == 0


def service_settings(environ: Mapping[str, str] | None = None) -> ServiceSettings:
    """The settings of these variables; by default of the process and the .env file. Empty ones count as unset."""
    given = read_environment() if environ is None else environ
    return ServiceSettings(
        **{
            field.name: _parse(field.name, str(field.type), given[field.name.upper()].strip())
            for field in fields(ServiceSettings)
            if given.get(field.name.upper(), "").strip()
        }
    )


_GLUE_MINUTES = (0, 5, 6, 10, 12, 15, 20, 30, 60)  # what goes evenly into an hour; Glue takes no less than five
NEEDED_SUBNETS = 3  # what Redshift Serverless asks for, in as many zones
_RANGES: dict[str, tuple[int, int, str]] = {
    "alarm_iterator_age_seconds": (10, 86_400, "seconds"),
    "alarm_quarantine_percent": (0, 100, "percent"),
    "glue_workers": (2, 299, "workers"),
    "glue_timeout_minutes": (1, 2880, "minutes"),
    "glue_retries": (0, 10, "retries"),
    "athena_scan_limit_gib": (1, 7000, "GiB"),
    "redshift_base_capacity": (4, 1024, "RPU"),
    "redshift_max_capacity": (4, 5632, "RPU"),
}
_FORMS: dict[str, tuple[str, str]] = {
    "permissions_boundary_arn": (r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+", "the ARN of an IAM policy"),
    "alarm_emails": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "addresses such as oncall@bank.example, separated by commas"),
    "glue_version": (r"[5-9]\.[0-9]", "a Glue version such as 5.1"),
    "glue_worker_type": (r"G\.(1|2|4|8|12|16)X|R\.(1|2|4|8)X", "a Glue worker type such as G.1X"),
    "redshift_subnet_ids": (r"subnet-[0-9a-f]+", "subnet ids, separated by commas"),
    "warehouse_auditors": (r"[\w+=.@-]{1,64}", "names of IAM roles (no ARNs), separated by commas"),
    "redshift_security_group_ids": (r"sg-[0-9a-f]+", "security group ids, separated by commas"),
}
