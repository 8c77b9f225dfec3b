"""Terraform as the tests run it: a folder, an environment, and what a command said."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from infrastructure.settings import Settings
from tests.terraform.provider import terraform_binary

FOLDER = Path(__file__).resolve().parents[2] / "infrastructure" / "terraform"


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    stdout: str
    stderr: str


class Running:
    """A command under way. It prints to files, because a full pipe that nobody reads would block it."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._stdout = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - read once the command has ended
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
        )

    def ended(self, expect: int | None = 0) -> Said:
        """Wait for the end. expect: the required exit status, None for any."""
        status = self._process.wait()
        said = Said(_all_of(self._stdout), _all_of(self._stderr))
        assert expect is None or status == expect, f"{self._process.args!r}\n{said.stdout}\n{said.stderr}"
        return said

    def stop(self) -> None:
        """End it if it still runs."""
        self._process.terminate()
        self._process.wait()


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@dataclass(frozen=True)
class Terraform:
    """A working folder of Terraform.

    data: its .terraform, kept out of the tree; init_options: how it finds the provider; variables: added to the shell's
    environment.
    """

    folder: Path
    data: Path
    init_options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The shell's environment without anything that leads to an account, with dummy keys."""
        not_ours = ("AWS_", "TF_VAR_", "TF_CLI_ARGS")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(not_ours)},
            "TF_DATA_DIR": str(self.data),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.variables,
        }

    def with_variables(self, variables: Mapping[str, str]) -> Terraform:
        return replace(self, variables={**self.variables, **variables})

    def start(self, *arguments: str) -> Running:
        """Start a command."""
        return Running([terraform_binary(), *arguments], self.folder, self.environment())

    def run(self, *arguments: str, expect: int | None = 0) -> Said:
        """Run a command to its end. expect: the required exit status, None for any."""
        return self.start(*arguments).ended(expect)

    def init(self, *options: str) -> None:
        self.run("init", "-input=false", "-no-color", "-lockfile=readonly", *self.init_options, *options)

    def plan(self, *options: str) -> dict[str, str]:
        """What a plan would do: address -> create, update, replace, delete or import; unchanged resources are left out.

        A resource that is imported and changed counts as changed. The plan is kept for apply_plan.
        """
        told = self.run("plan", "-json", "-input=false", f"-out={self._plan}", *options).stdout
        planned = (json.loads(line) for line in told.splitlines())
        return {
            line["change"]["resource"]["addr"]: line["change"]["action"]
            for line in planned
            if line["type"] == "planned_change"
        }

    def planned_attributes(self, address: str) -> set[str]:
        """The attributes of a resource that the last plan changes."""
        plan = json.loads(self.run("show", "-json", str(self._plan)).stdout)
        (change,) = (change["change"] for change in plan["resource_changes"] if change["address"] == address)
        return {name for name, value in change["after"].items() if change["before"].get(name) != value}

    def apply_plan(self, *options: str) -> None:
        self.run("apply", "-input=false", "-no-color", *options, str(self._plan))

    @property
    def _plan(self) -> Path:
        return self.data / "tests.tfplan"


# What Terraform's variables and the settings share.
SHARED_VARIABLES = (
    "environment",
    "project",
    "tags",
    "expected_account_id",
    "key_deletion_window_days",
    "object_lock_mode",
    "object_lock_years",
    "data_retention_years",
    "stream_mode",
    "shard_count",
    "stream_retention_hours",
)


def values(settings: Settings) -> str:
    """The values of an environment, as -var-file takes them."""
    return f"environments/{settings.environment}.tfvars"


def variables_of(settings: Settings) -> dict[str, str]:
    """The environment that gives Terraform these settings."""
    values = {name: getattr(settings, name) for name in SHARED_VARIABLES}
    told = {
        f"TF_VAR_{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }
    return told | {"AWS_REGION": settings.region}
