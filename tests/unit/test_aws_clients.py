"""What is taken for an emulator: a mistake there deploys a placeholder for the function's code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infrastructure.aws.clients import AwsClients, forget, is_loopback
from infrastructure.errors import PlatformError


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://127.8.9.1", True),
        ("http://localhost:4566", True),
        ("https://localhost", True),
        ("http://[::1]:5000", True),
        ("http://sts.localhost:4566", True),
        ("https://sts.amazonaws.com", False),
        ("https://sts.eu-central-1.amazonaws.com", False),
        ("https://vpce-0a1b-sts.eu-central-1.vpce.amazonaws.com", False),
        ("https://sts.internal.bank.example", False),
        ("http://sts.internal.bank.example", False),
        ("https://10.0.3.7", False),
        ("https://localhost.bank.example", False),
    ],
)
def test_only_this_machine_is_taken_for_an_emulator(url: str, loopback: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_loopback(url) is loopback
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert AwsClients("eu-central-1").emulated is loopback


def test_a_banks_own_way_to_sts_is_no_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.internal.bank.example")
    assert AwsClients("eu-central-1").emulated is False


@pytest.mark.parametrize("service", ["STS", "LAMBDA"])
def test_an_emulator_of_some_services_only_is_refused(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:5000")
    with pytest.raises(PlatformError, match="one is an emulator, the other is not"):
        AwsClients("eu-central-1")


def test_another_host_is_an_emulator_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://emulator:5000")
    assert AwsClients("eu-central-1", emulated=True).emulated is True
