"""Fixtures: an emulated account, empty or applied."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount

_AWS_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION")


@pytest.fixture(autouse=True, scope="session")
def dummy_credentials() -> Iterator[None]:
    """No test reaches an account, whatever the shell has set."""
    monkeypatch = pytest.MonkeyPatch()
    for name in _AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    yield
    monkeypatch.undo()


@pytest.fixture
def settings() -> Settings:
    return Settings(region="eu-central-1")


@pytest.fixture
def account(settings: Settings) -> Iterator[EmulatedAccount]:
    """An empty account, of which the core is provisioned."""
    with emulated_aws():
        yield EmulatedAccount(settings, parts=CORE)


@pytest.fixture
def applied(account: EmulatedAccount) -> EmulatedAccount:
    """An account in which the core stands; its record of calls is empty."""
    report = account.apply()
    report.raise_for_errors()
    account.calls.clear()
    return account
