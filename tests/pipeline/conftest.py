"""Fixtures of the pipeline's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def s3() -> Iterator[Any]:
    """An S3 client with the lake's buckets, in an account of the test's own."""
    from infrastructure.local.emulator import emulated_aws
    from tests.pipeline.etl_lake import make_buckets

    with emulated_aws():
        yield make_buckets()
