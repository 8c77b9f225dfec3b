"""Fixtures: an emulated account in which everything stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount


@pytest.fixture(scope="module")
def governed() -> Iterator[EmulatedAccount]:
    """An account in which everything stands, for a whole module: its tests leave it as they found it."""
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"))
        account.apply().raise_for_errors()
        account.calls.clear()
        yield account
