"""Fixtures: an emulated account, empty or applied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning import waiting
from infrastructure.settings import Settings
from tests.moto_server import server_process
from tests.provisioning.account import CORE, EmulatedAccount
from tests.provisioning.command_line import Run, reset


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An emulated account of this module's own, in a process of its own."""
    with server_process() as url:
        yield url


@pytest.fixture
def run(endpoint: str) -> Iterator[Run]:
    """Runs the command line on that account, which is empty."""
    reset(endpoint)
    yield Run(endpoint)
    reset(endpoint)


@pytest.fixture
def settings() -> Settings:
    return Settings(region="eu-central-1")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time; these are the pauses that were asked for."""
    pauses: list[float] = []
    monkeypatch.setattr(waiting, "pause", pauses.append)
    return pauses


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
