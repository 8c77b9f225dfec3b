"""Waiting for a statement ends before the caller does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from data_processing.create_glue_job import default_arguments
from data_processing.etl_transaction_processing import arguments
from infrastructure.aws.redshift_data import WarehouseTarget, wait
from infrastructure.errors import RetryableError
from infrastructure.settings import Settings


class NeverEnding:
    """A Data API whose statements run on."""

    def describe_statement(self, **_: Any) -> dict[str, Any]:
        return {"Status": "STARTED"}


def test_a_caller_that_has_to_end_does_not_wait_for_a_statement_that_goes_on() -> None:
    client: Any = NeverEnding()
    target = WarehouseTarget("banking", "banking", "arn", workgroup="w", give_up_at=time.monotonic())
    with pytest.raises(RetryableError, match=r"statement s-1 is still running.*takes up the same statement"):
        wait(client, target, "s-1")


def test_the_job_knows_when_glue_ends_it() -> None:
    given = {"--JOB_NAME": "etl"} | default_arguments(
        Settings(glue_timeout_minutes=45), "s3://modules", "s3://libraries.zip"
    )
    assert arguments(["job", *(part for pair in given.items() for part in pair)])["timeout_minutes"] == "45"
