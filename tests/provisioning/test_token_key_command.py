"""`rotate-token-key` in an account: the next key beside the current one, and the former's end, with no trace of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data_governance.token_key_rotation import retired, rotated
from data_governance.tokenization import TokenKeys
from scripts.commands.status import Finding, collect
from scripts.commands.token_key import AccountSecret
from tests.provisioning.account import EmulatedAccount
from tests.provisioning.command_line import Run, client

NOW = datetime.now(UTC)


@pytest.fixture
def store(account: EmulatedAccount) -> AccountSecret:
    """The secret as `apply` makes it."""
    account.apply(only=("security",))
    return AccountSecret(account.settings, account.client("secretsmanager"))


def values(account: EmulatedAccount) -> list[str]:
    """Every version of the secret that has a label, so that it can be read."""
    manager, name = account.client("secretsmanager"), account.settings.tokenization_secret_name
    versions = manager.list_secret_version_ids(SecretId=name)["Versions"]
    labelled = [version["VersionId"] for version in versions if version.get("VersionStages")]
    return [manager.get_secret_value(SecretId=name, VersionId=each)["SecretString"] for each in labelled]


def token_key(account: EmulatedAccount) -> Finding:
    found = collect(account.settings, account.clients, [])
    return next(finding for finding in found if finding.subject == "token key")


def rotate(store: AccountSecret, now: datetime = NOW) -> None:
    store.change(lambda secret: rotated(secret, now), now)


def test_a_rotation_leaves_two_keys_and_no_drift(account: EmulatedAccount, store: AccountSecret) -> None:
    before = values(account)
    rotate(store)
    (current,) = values(account)
    keys = TokenKeys.from_secret(current)
    assert (keys.current, keys.former) == (2, 1)
    assert TokenKeys.from_secret(before[0]).token("4" * 16) == keys.tokens(["4" * 16], 1)[0]
    assert not account.plan(only=("security",)).changes, "its age lies in tags, which are no drift"


def test_no_version_that_can_be_read_holds_a_retired_key(account: EmulatedAccount, store: AccountSecret) -> None:
    (first,) = values(account)
    key = json.loads(first)["keys"]["1"]
    rotate(store)
    store.change(lambda secret: retired(secret, 1), NOW)
    (left,) = values(account)
    assert key not in left
    assert TokenKeys.from_secret(left).versions == (2,)


def test_another_apply_changes_neither_keys_nor_their_age(account: EmulatedAccount, store: AccountSecret) -> None:
    rotate(store)
    before = values(account), token_key(account)
    account.client("secretsmanager").update_secret(
        SecretId=account.settings.tokenization_secret_name, Description="changed by hand"
    )
    account.apply(only=("security",))
    assert (values(account), token_key(account)) == before


def keep(secret: str, _: datetime) -> str:
    return secret


@pytest.mark.parametrize(
    ("change", "days", "text", "well"),
    [
        (keep, 0, "version 1, 0 days old", True),
        (rotated, 29, "version 2, 29 days old; version 1 overlaps", True),
        (rotated, 30, "version 2, 30 days old; version 1 overlaps: rotate-token-key --retire 1", False),
    ],
)
def test_status_tells_the_age_and_when_an_overlap_should_end(
    account: EmulatedAccount,
    store: AccountSecret,
    change: Callable[[str, datetime], str],
    days: int,
    text: str,
    well: bool,
) -> None:
    made = NOW - timedelta(days=days)
    store.change(lambda secret: change(secret, made), made)
    assert token_key(account) == Finding("token key", text, well)


def test_status_asks_for_a_rotation_of_an_old_key(account: EmulatedAccount, store: AccountSecret) -> None:
    made = NOW - timedelta(days=365)
    rotate(store, made)
    store.change(lambda secret: retired(secret, 1), NOW)
    found = token_key(account)
    assert (found.text, found.well) == (
        "version 2, 365 days old (TOKEN_KEY_MAX_AGE_DAYS is 365): rotate-token-key",
        False,
    )


def test_status_does_not_read_the_secret(account: EmulatedAccount, store: AccountSecret) -> None:
    account.calls.clear()
    token_key(account)
    assert "secretsmanager.GetSecretValue" not in account.calls.made


@pytest.mark.slow
def test_the_command_line_rotates_and_retires_and_prints_no_key(run: Run, endpoint: str) -> None:
    assert run("apply", "--only", "security").returncode == 0
    secrets = []

    def rotate_token_key(*arguments: str) -> Any:
        done = run("rotate-token-key", *arguments)
        manager = client(endpoint, "secretsmanager")
        (listed,) = manager.list_secrets()["SecretList"]
        secrets.append(json.loads(manager.get_secret_value(SecretId=listed["Name"])["SecretString"]))
        assert not any(key in done.stdout + done.stderr for each in secrets for key in each["keys"].values())
        return done

    rotated_ = rotate_token_key("--json")
    assert rotated_.returncode == 0, rotated_.stderr
    assert {"current": 2, "former": 1}.items() <= json.loads(rotated_.stdout).items()
    again = rotate_token_key()
    assert (again.returncode, "--retire 1" in again.stderr) == (1, True)
    early = rotate_token_key("--retire", "1")
    assert early.returncode == 1
    assert "version 1 overlaps until" in early.stderr and "--now" in early.stderr
    assert rotate_token_key("--retire", "1", "--now").returncode == 0
    assert list(secrets[-1]["keys"]) == ["2"]
