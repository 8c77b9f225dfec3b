"""Settings of the services: their bounds, and how they are read."""

from __future__ import annotations

import pytest

from infrastructure.errors import PlatformError
from infrastructure.settings_source import settings_from


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("GLUE_EVERY_MINUTES", "7", "GLUE_EVERY_MINUTES is 7"),
        ("GLUE_EVERY_MINUTES", "4", "GLUE_EVERY_MINUTES is 4"),
        ("GLUE_EVERY_MINUTES", "90", "GLUE_EVERY_MINUTES is 90. Set it to 5, 6"),
        ("REDSHIFT_BASE_CAPACITY", "12", "REDSHIFT_BASE_CAPACITY is 12. Set it to 4, to a multiple of 8"),
        ("REDSHIFT_BASE_CAPACITY", "520", "REDSHIFT_BASE_CAPACITY is 520"),
        ("GLUE_WORKERS", "one", "GLUE_WORKERS is 'one'"),
        ("ALARM_EMAILS", "oncall@bank.example,nobody", "ALARM_EMAILS is 'nobody'"),
        ("REDSHIFT_SUBNET_IDS", "vpc-1", "REDSHIFT_SUBNET_IDS is 'vpc-1'"),
        ("REDSHIFT_SUBNET_IDS", "subnet-1,subnet-2,subnet-2", "REDSHIFT_SUBNET_IDS names 2 subnets"),
        ("WAREHOUSE_AUDITORS", "arn:aws:iam::123456789012:role/audit", "WAREHOUSE_AUDITORS is 'arn:"),
        ("PERMISSIONS_BOUNDARY_ARN", "boundary", "PERMISSIONS_BOUNDARY_ARN is 'boundary'"),
        ("ATHENA_SCAN_LIMIT_GIB", "0", "ATHENA_SCAN_LIMIT_GIB is 0"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(variable: str, value: str, message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        settings_from({variable: value})


@pytest.mark.parametrize("units", ["4", "8", "24", "512", "544", "1024"])
def test_each_base_capacity_that_redshift_takes_is_taken(units: str) -> None:
    read = settings_from({"REDSHIFT_BASE_CAPACITY": units, "REDSHIFT_MAX_CAPACITY": "2048"})
    assert read.redshift_base_capacity == int(units)


def test_an_existing_warehouse_is_a_workgroup_or_a_cluster() -> None:
    with pytest.raises(PlatformError, match="both set"):
        settings_from({"REDSHIFT_WORKGROUP": "a", "REDSHIFT_CLUSTER": "b"})
    assert not settings_from({"REDSHIFT_CLUSTER": "b"}).creates_warehouse
    assert settings_from({"REDSHIFT_CLUSTER": ""}).creates_warehouse


def test_lists_are_read_from_one_variable() -> None:
    read = settings_from({"ALARM_EMAILS": "a@bank.example, b@bank.example"})
    assert read.alarm_emails == ("a@bank.example", "b@bank.example")
