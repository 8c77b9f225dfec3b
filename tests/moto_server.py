"""An emulated account in a process of its own, which boto3, the commands and Terraform reach over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infrastructure.local.emulator import emulator_server

_ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def server_process() -> Iterator[str]:
    """Yields its endpoint (an IP address: Terraform resolves no buckets below localhost)."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.moto_server"],
        cwd=_ROOT,
        env=os.environ | {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin and server.stdout
        endpoint = server.stdout.readline().strip()
        assert endpoint, "the emulated account did not start"
        try:
            yield endpoint
        finally:
            server.stdin.close()


if __name__ == "__main__":
    with emulator_server() as url:
        print(url, flush=True)
        # moto prints a line for each call to a service that it lacks. Nobody reads them, so the pipe would fill.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stdin.read()  # ends with the process that started this one
