"""The command line as people run it: a process of its own, on an emulated account that it reaches over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import boto3

from infrastructure.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """Run the command line on the account at this endpoint; calling it gives the finished process."""

    endpoint: str

    def __call__(
        self, *arguments: str, script: str = "scripts/orchestrate_pipeline.py", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=ROOT,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """A shell with nothing of the developer's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        aws = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-central-1",
        }
        unset = {field.name.upper(): "" for field in fields(Settings)}  # stands above a .env file
        return kept | unset | aws | more


def reset(endpoint: str) -> None:
    """Empty the account."""
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def client(endpoint: str, service: str, region: str = "eu-central-1") -> Any:
    """A client of the test's own."""
    return boto3.client(
        service,
        region,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
