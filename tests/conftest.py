"""Fixtures of several folders. Each imports what it needs when it is used, so that unit tests wait for no Spark."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pyspark.sql import SparkSession

    from infrastructure.local.redshift.postgresql import Warehouse
    from tests.pipeline.etl_lake import EmulatedLake
    from tests.pipeline.warehouse_bench import Bench

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A shell's background job ignores Ctrl-C, and so would the processes that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

_AWS_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION")


@pytest.fixture(autouse=True, scope="session")
def dummy_credentials() -> Iterator[None]:
    """No test reaches an account, whatever the shell has set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _AWS_VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield


@pytest.fixture(autouse=True, scope="session")
def service_models_read_once() -> Iterator[None]:
    """Each emulated account starts with a new session, which would parse the JSON of every service anew."""
    from botocore.loaders import JSONFileLoader

    with pytest.MonkeyPatch.context() as patch:
        read = cache(JSONFileLoader().load_file)
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One Spark session for all."""
    from tests.pipeline.local_spark import local_spark

    with local_spark() as session:
        yield session


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Iterator[EmulatedLake]:
    """An empty lake."""
    from infrastructure.local.emulator import emulated_aws
    from tests.pipeline.etl_lake import EmulatedLake

    with emulated_aws():
        yield EmulatedLake(spark, tmp_path / "staging")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One warehouse server for a module's tests."""
    from infrastructure.local.redshift.postgresql import Warehouse

    with Warehouse(tmp_path_factory.mktemp("warehouse") / "data") as started:
        yield started


@pytest.fixture
def bench(warehouse: Warehouse) -> Iterator[Bench]:
    """Tables and buckets of the test's own."""
    from tests.pipeline.warehouse_bench import open_bench

    with open_bench(warehouse) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    from tests.browser import started

    with started() as opened:
        yield opened
