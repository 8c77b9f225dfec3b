"""Every command block of README and docs that can run without an account is run, as it is printed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_docs import DOCUMENTS, ROOT, _code_lines

pytestmark = pytest.mark.slow

# Which commands work on a kept run; a block that prints one for an account is run with --workdir.
_ON_A_WORKDIR = (
    "reconcile", "quarantine", "replay", "load", "query", "trace", "backtest", "maintain", "rebuild", "status", "erase",
    "rotate-token-key",
)  # fmt: skip
# What these name is the reader's own, or is not all in order: they may end with an error, but a plain one.
_MAY_REFUSE = (
    "erase --account",
    "rotate-token-key --retire",
    "--retire",
    "transaction_id=ID",
    "quarantine fix",
    "trace TRANSACTION_ID",
)
_ENVIRONMENT = Path(sys.prefix)


def _printed() -> Iterator[tuple[str, str]]:
    """(document, command), in the order of the documents; README first, which makes the run that others look at.

    A command that several pages print is yielded once.
    """
    yielded: set[str] = set()
    for document in sorted(DOCUMENTS, key=lambda path: (path.name != "README.md" or path.parent != ROOT, path)):
        for line in _code_lines(document):
            command = line.strip().partition("  #")[0].strip()
            if command.startswith(".venv/bin/") and command.replace(" --workdir DIR", "") not in yielded:
                yielded.add(command.replace(" --workdir DIR", ""))
                yield document.relative_to(ROOT).as_posix(), command


def _offline(command: str, workdir: str) -> str | None:
    """The command as it can run here; None if it needs an account, terraform, or what only the reader has."""
    found = re.match(r"\.venv/bin/banking-data (\S+)", command)
    if found and found[1] in _ON_A_WORKDIR and "--workdir" not in command:
        command += f" --workdir {workdir}"
    if "--workdir" not in command and "postgresql.py" not in command and " -c " not in command:
        return None
    return command.replace("DIR", workdir)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone after make setup."""
    folder = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.name not in (".git", ".venv", "run", "mine"):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(_ENVIRONMENT)
    return folder


def _run(clone: Path, command: str) -> tuple[int, str]:
    process = subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; exec {command}" if "|" not in command else command],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(clone), "EDITOR": "true"},
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "until Ctrl-C" in line and "Still shown" in line:
            process.send_signal(signal.SIGINT)
    return process.wait(), "".join(said)


def test_they_run_as_printed(clone: Path) -> None:
    workdir, failed, ran = "./run", [], 0
    for document, printed in _printed():
        command = _offline(printed, workdir)
        if command is None:
            continue
        kept = clone / "run" / "run.json"
        run_id = json.loads(kept.read_text())["run_id"] if kept.exists() else ""
        command = command.replace("RUN_ID", run_id)
        command = re.sub(r"--from corrected/[0-9-]+/", "--from corrected/", command)
        status, said = _run(clone, command)
        ran += 1
        expected = (0, 1) if any(each in command for each in _MAY_REFUSE) else (0,)
        if status not in expected or "Traceback" in said:
            failed.append(f"{document}: {command}\n{status}: {said[-1500:]}")
    assert ran >= 20
    assert failed == []
