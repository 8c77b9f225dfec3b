"""Every role, bucket, key, queue and topic policy, held by an independent simulator of IAM.

@cloud-copilot/iam-simulate runs in Node at test time only and is never shipped (AGPL): make iam-simulate. Without it
these cases are skipped by name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from data_storage.s3_bucket_setup import BUCKETS
from infrastructure.settings import KEY_PURPOSES
from security.iam_roles import ROLES
from tests.provisioning.policy_matrix import rows

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("iam_simulate.mjs")
ROWS = {row.name: row for row in rows()}
LEAST_ROWS = 130


def test_there_are_rows_for_every_policy_both_allowed_and_denied() -> None:
    assert len(ROWS) == len(rows()) >= LEAST_ROWS, "names are unique"
    subjects = [*(f"{purpose} role" for purpose in ROLES), *(f"{purpose} key" for purpose in KEY_PURPOSES)]
    subjects += [f"of {purpose} " for purpose in BUCKETS]
    for subject in [*subjects, "sqs:", "the topic", "in the network"]:
        assert {row.allowed for name, row in ROWS.items() if subject in name} == {True, False}, subject


@pytest.fixture(scope="module")
def simulated() -> dict[str, str]:
    """Each row's result by its name."""
    folder = Path(os.environ.get("IAM_SIMULATE", ROOT / ".venv-iam-simulate"))
    node = shutil.which("node")
    if node is None or not (folder / "node_modules" / "@cloud-copilot" / "iam-simulate").is_dir():
        pytest.skip("test_policy_matrix: no node, or no iam-simulate in .venv-iam-simulate (make iam-simulate)")
    done = subprocess.run(
        [node, str(PROGRAM), str(folder)],
        input=json.dumps([row.simulation() for row in ROWS.values()]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(ROWS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_who_may_do_what(name: str, simulated: dict[str, str]) -> None:
    expected = {"Allowed"} if ROWS[name].allowed else {"ExplicitlyDenied", "ImplicitlyDenied"}
    assert simulated[name] in expected
