"""The account that a command works on: found, guarded, and printed before anything else."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from rich.text import Text

from infrastructure.aws.clients import AwsClients, session
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import explain
from infrastructure.provisioning import PLACEHOLDER_ZIP, Embedded
from infrastructure.settings import Settings
from infrastructure.settings_bounds import DNS_SUFFIXES
from infrastructure.settings_source import read_environment, settings_from
from scripts.commands.terminal import console


@dataclass(frozen=True, slots=True)
class Account:
    """Where a command works: settings with the account's own id and region, its clients, and the caller's ARN."""

    settings: Settings
    clients: AwsClients
    caller: str

    @property
    def embedded(self) -> Embedded | None:
        return Embedded(lambda: PLACEHOLDER_ZIP) if self.clients.emulated else None


def find_account(arguments: argparse.Namespace, *, changing: bool = False) -> Account:
    """Settings, account and clients of a command; prints them.

    changing: refuse any account but EXPECTED_ACCOUNT_ID.
    """
    environ = read_environment()
    for name, value in environ.items():
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)  # boto3 reads its settings from os.environ
    settings = settings_from(environ, environment=arguments.environment, region=arguments.region)
    try:
        region = arguments.region or _region_of(arguments.profile, settings, environ)
        clients = AwsClients(region, arguments.profile, emulated=True if settings.emulated_endpoint else None)
        identity = clients("sts").get_caller_identity()
        region = clients("sts").meta.region_name
    except Exception as error:
        raise explain(error, "AWS") from error
    if settings.emulated_endpoint and _is_aws(clients("sts").meta.endpoint_url):
        raise PlatformError(
            "EMULATED_ENDPOINT", "is true, but the endpoint is AWS's own", "Set AWS_ENDPOINT_URL, or set it to false."
        )
    settings = replace(settings, account_id=identity["Account"], region=region)
    _show(arguments, settings, clients("sts").meta.endpoint_url if clients.emulated else None)
    if changing and settings.expected_account_id not in ("", settings.account_id):
        raise PlatformError(
            f"account {settings.account_id}",
            f"is not EXPECTED_ACCOUNT_ID ({settings.expected_account_id}); nothing was changed",
            "Name the right --profile, or correct EXPECTED_ACCOUNT_ID in .env.",
        )
    return Account(settings, clients, identity["Arn"])


def _region_of(profile: str | None, settings: Settings, environ: Mapping[str, str]) -> str:
    """The region of the environment, or else of the profile."""
    if environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or environ.get("REGION"):
        return settings.region
    region: str | None = session(None, profile).region_name
    if not region:
        raise PlatformError("AWS", "no region was given", "Name it with --region or set AWS_REGION in .env.")
    return region


def _is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return any(host.endswith(f".{suffix}") for suffix in (*DNS_SUFFIXES.values(), "api.aws"))


def _show(arguments: argparse.Namespace, settings: Settings, endpoint: str | None) -> None:
    line = Text.assemble(
        "account ", (settings.account_id, "bold"), "  region ", (settings.region, "bold"), "  environment ",
        (settings.environment, "bold"),
    )  # fmt: skip
    if endpoint:
        line.append(f"  endpoint {endpoint} (not AWS)", "magenta")
    console(arguments).print(line, soft_wrap=True)
