"""docs/erasure.md says who may erase, and what stays until when; the code holds it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from data_storage.s3_bucket_setup import BUCKETS, bucket_properties, expiration_days
from infrastructure.settings import Settings
from scripts.commands import erase
from security.iam_roles import ROLES, role_policy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "erasure.md").read_text(encoding="utf-8")
SETTINGS = Settings(region="eu-central-1")
ACTION = re.compile(r"`([a-z0-9-]+:[A-Za-z]+)`")


def test_the_page_lists_every_action_that_erasing_needs_and_no_other() -> None:
    table = PAGE.partition("| actions | on | for |")[2].partition("\n\n")[0]
    assert set(ACTION.findall(table)) == set(erase.PERMISSIONS.split())


def test_no_role_of_the_platform_can_erase() -> None:
    needed = {"s3:DeleteObjectVersion", "s3:ListBucketVersions"}
    assert needed <= set(erase.PERMISSIONS.split())
    for purpose in ROLES:
        held = {
            action
            for statement in role_policy(SETTINGS, purpose)["Statement"]
            for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
        }
        assert not held & needed, purpose


def test_the_job_alone_reads_raw_which_keeps_what_was_erased() -> None:
    raw = SETTINGS.bucket_arn("raw")
    readers = {
        purpose
        for purpose in ROLES
        for statement in role_policy(SETTINGS, purpose)["Statement"]
        if "s3:GetObject" in statement["Action"] and any(raw in str(each) for each in statement["Resource"])
    }
    assert readers == {"glue"}


def test_raw_is_locked_and_ends_after_the_years_that_the_settings_say() -> None:
    seven, two = (Settings(region="eu-central-1", data_retention_years=years) for years in (7, 2))
    spec = BUCKETS["raw"]
    assert spec.locked
    assert timedelta(expiration_days(seven, spec.expire_days)) >= timedelta(7 * 365 + 1)
    assert expiration_days(two, spec.expire_days) < expiration_days(seven, spec.expire_days)
    (rule,) = bucket_properties(seven, "raw")["LifecycleRules"]
    assert rule["Expiration"] == {"Days": expiration_days(seven, spec.expire_days)}
    assert "`DATA_RETENTION_YEARS`" in PAGE
