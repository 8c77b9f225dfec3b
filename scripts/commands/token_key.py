"""rotate-token-key: a new tokenisation key beside the current one, and the end of the former.

A key is made, and put, in this process: it is never printed, and no other place has it.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from data_governance.token_key_rotation import KeyAge, key_age, retired, rotated, told_in_tags
from infrastructure.aws.tags import tag_list
from infrastructure.errors import PlatformError
from infrastructure.local.warehouse import embedded_settings
from infrastructure.local.workdir import Workdir
from infrastructure.planning.aws_errors import error_code, explain
from infrastructure.settings import Settings
from scripts.commands.account import find_account
from scripts.commands.terminal import EXIT_OK, Parser, add_account_options, add_output_options, outcome, print_json

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_PREVIOUS = "AWSPREVIOUS"


# The IAM actions that the break-glass role needs, and nobody else has.
PERMISSIONS = (
    "kms:Decrypt kms:GenerateDataKey secretsmanager:GetSecretValue secretsmanager:ListSecretVersionIds "
    "secretsmanager:PutSecretValue secretsmanager:TagResource secretsmanager:UpdateSecretVersionStage"
)


class KeyStore(Protocol):
    """Where the secret lies."""

    settings: Settings

    def change(self, changed: Callable[[str], str], now: datetime) -> str:
        """Replace the secret by what `changed` makes of it, and return that."""


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add rotate-token-key; it sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "rotate-token-key",
        help="make the next tokenisation key, or retire a former one",
        description="Make the next tokenisation key and put it beside the current one. From then on each card gets "
        "both tokens, which links them; cards that are not seen until the former key is retired end there. In an "
        "account it is run as TOKEN_KEY_BREAK_GLASS_ROLE, and raises the alarm token-key-read-by-others.",
    )
    parser.add_argument("--retire", type=int, metavar="VERSION", help="end a former version, and its overlap")
    parser.add_argument("--now", action="store_true", help="with --retire: before TOKEN_KEY_OVERLAP_DAYS have passed")
    parser.add_argument("--workdir", metavar="DIR", help="of what `local --workdir DIR` kept")
    add_account_options(parser)
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_rotate)


def run_rotate(arguments: argparse.Namespace) -> int:
    """Rotate or retire, and print what is live."""
    now = datetime.now(UTC)
    if arguments.now and arguments.retire is None:
        raise PlatformError("--now", "goes with --retire", "Name the version to retire")
    with _opened(arguments) as store:
        days = store.settings.token_key_overlap_days

        def changed(secret: str) -> str:
            if arguments.retire is None:
                return rotated(secret, now)
            result = retired(secret, arguments.retire)
            if not arguments.now:
                _require_overlap(key_age(secret, now), now, days)
            return result

        age = key_age(store.change(changed, now), now)
    outcome(arguments).print(_told(age, arguments.retire, days), soft_wrap=True)
    if arguments.json:
        print_json({"current": age.current, "former": age.former, "made_at": age.made_at.isoformat()})
    return EXIT_OK


def _require_overlap(age: KeyAge, now: datetime, days: int) -> None:
    until = age.made_at + timedelta(days=days)
    if now < until:
        raise PlatformError(
            "tokenisation key",
            f"version {age.former} overlaps until {until:%Y-%m-%d %H:%M} UTC (TOKEN_KEY_OVERLAP_DAYS)",
            "A card that was not seen by then loses its past. If the key leaked, repeat with --now",
        )


def _told(age: KeyAge, retired_version: int | None, days: int) -> str:
    if retired_version is not None:
        return (
            f"Version {retired_version} of the tokenisation key is gone; version {age.current} is current. Functions "
            "that hold it forget it within five minutes."
        )
    until = age.made_at + timedelta(days=days)
    return (
        f"Version {age.current} of the tokenisation key is current; version {age.former} overlaps. Functions take it "
        f"up within five minutes. After {until:%Y-%m-%d}: rotate-token-key --retire {age.former}"
    )


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[KeyStore]:
    if arguments.workdir:
        if not (Path(arguments.workdir) / "state.json").exists():
            what = "is no workdir of a run"
            raise PlatformError(arguments.workdir, what, "Name the --workdir that `local` was run with")
        workdir = Workdir(arguments.workdir)
        try:
            yield _KeptSecret(embedded_settings(), workdir)
        finally:
            workdir.close()
        return
    account = find_account(arguments, changing=True)
    try:
        yield AccountSecret(account.settings, account.clients("secretsmanager"))
    except (BotoCoreError, ClientError) as error:
        raise _explained(error, account.settings) from error


class _KeptSecret:
    """The secret of a workdir."""

    def __init__(self, settings: Settings, workdir: Workdir) -> None:
        self.settings = settings
        self._workdir = workdir

    def change(self, changed: Callable[[str], str], now: datetime) -> str:
        secret = self._workdir.secret()
        if secret is None:
            raise PlatformError(str(self._workdir.path), "holds no tokenisation key", "`local` makes it; run it first")
        new = changed(secret)
        self._workdir.keep_secret(new)
        return new


class AccountSecret:
    """The secret of an account."""

    def __init__(self, settings: Settings, manager: SecretsManagerClient) -> None:
        self.settings = settings
        self._manager = manager
        self._name = settings.tokenization_secret_name

    def change(self, changed: Callable[[str], str], now: datetime) -> str:
        """Of two callers at once, AWS refuses the later: both name their version after the one that they replace."""
        found = self._manager.get_secret_value(SecretId=self._name)
        new = changed(found["SecretString"])
        token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{found['ARN']}/{found['VersionId']}"))
        self._manager.put_secret_value(SecretId=self._name, SecretString=new, ClientRequestToken=token)
        self._forget_previous()
        tags = tag_list(told_in_tags(new, found["CreatedDate"]))
        self._manager.tag_resource(SecretId=self._name, Tags=tags)
        return new

    def _forget_previous(self) -> None:
        """Secrets Manager keeps the former value, which may hold a retired key, as long as it has a label."""
        versions = self._manager.list_secret_version_ids(SecretId=self._name)["Versions"]
        for version in versions:
            if _PREVIOUS in version.get("VersionStages", []):
                self._manager.update_secret_version_stage(
                    SecretId=self._name, VersionStage=_PREVIOUS, RemoveFromVersionId=version["VersionId"]
                )


def _explained(error: BotoCoreError | ClientError, settings: Settings) -> PlatformError:
    where = f"secret {settings.tokenization_secret_name}"
    if error_code(error) == "AccessDeniedException":
        role = settings.token_key_break_glass_role
        todo = f"Work as the role {role}" if role else "Set TOKEN_KEY_BREAK_GLASS_ROLE, apply, and work as that role"
        return PlatformError(where, "its policy lets only the landing function and the break-glass role in", todo)
    if error_code(error) == "ResourceExistsException":
        return PlatformError(where, "was changed by somebody else at the same time", "See `status`, then decide again")
    return explain(error, where)
