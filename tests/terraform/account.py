"""The environment of an emulated account, and Terraform at work on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from infrastructure import settings_source
from infrastructure.aws import clients
from infrastructure.aws.clients import AwsClients
from infrastructure.settings import Settings
from scripts import create_terraform_state_bucket
from tests.moto_server import server_process
from tests.terraform.command import SHARED_VARIABLES, Running, Terraform, values


@contextmanager
def shell_of(endpoint: str, settings: Settings) -> Iterator[None]:
    """This process's environment as that of a shell with these settings on the emulated account.

    boto3 and the project's commands read it. A developer's own .env file is not read.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in _shell_settings(settings).items():
            patch.setenv(name, value)
        patch.setattr(settings_source, "ENV_FILE", Path(os.devnull))
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        clients.forget()
        try:
            yield
        finally:
            clients.forget()


def _shell_settings(settings: Settings) -> dict[str, str]:
    """The variables for the settings that both sides share; all others are empty, which means unset."""
    shared = {name: getattr(settings, name) for name in SHARED_VARIABLES}
    told = {name.upper(): str(value) for name, value in shared.items() if value is not None}
    return {
        **{field.name.upper(): "" for field in fields(settings)},
        **told,
        "TAGS": ",".join(f"{key}={value}" for key, value in settings.tags.items()),
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
    }


@dataclass(frozen=True)
class Applying:
    """An emulated account on which Terraform is at work, with its state in a bucket there."""

    endpoint: str
    settings: Settings
    state_bucket: str
    terraform: Terraform
    apply: Running


@contextmanager
def applying(terraform: Terraform, data: Path) -> Iterator[Applying]:
    """Start the first apply from the project's own folder; the account is told by environment variables only."""
    settings = Settings(region="eu-central-1")
    with server_process() as endpoint:
        with shell_of(endpoint, settings):
            assert create_terraform_state_bucket.main([]) == 0
        # moto delivers access logs for real, so the buckets are not empty when they are deleted.
        variables = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": settings.region, "TF_VAR_force_destroy": "true"}
        own = Terraform(terraform.folder, data, terraform.init_options, variables)
        bucket = create_terraform_state_bucket.state_bucket_name(settings)
        own.init(f"-backend-config=bucket={bucket}", f"-backend-config=region={settings.region}")
        apply = own.start("apply", "-auto-approve", "-input=false", "-no-color", f"-var-file={values(settings)}")
        try:
            yield Applying(endpoint, settings, bucket, own, apply)
        finally:
            apply.stop()


class ClientsWithKeyDefaults(AwsClients):
    """Clients that report what KMS fills in by itself.

    moto leaves a key's usage empty if CreateKey names none, and Terraform would replace a key without usage.
    """

    def _make(self, service: str) -> Any:
        made = super()._make(service)
        if service == "kms":
            made.meta.events.register(
                "before-parameter-build.kms.CreateKey",
                lambda params, **_: params.setdefault("KeyUsage", "ENCRYPT_DECRYPT"),
            )
        return made
