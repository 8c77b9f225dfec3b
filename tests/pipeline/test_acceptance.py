"""The acceptance run on the embedded stack: all that needs no account is proven, in CI too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.acceptance.claims import CLAIMS, Here
from scripts.orchestrate_pipeline import main

pytestmark = pytest.mark.slow


def test_every_claim_that_waits_for_no_account_is_proven_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acceptance.json"
    status = main(["acceptance", "--embedded", "--report", str(file)])
    report = json.loads(file.read_text())
    failed = {each["claim"]: each["detail"] for each in report["claims"] if each["proven"] is False}
    assert (status, failed) == (0, {}), capsys.readouterr()
    proven = {each["claim"] for each in report["claims"] if each["proven"]}
    assert proven == {claim.id for claim in CLAIMS if claim.here is not Here.WAITING}
