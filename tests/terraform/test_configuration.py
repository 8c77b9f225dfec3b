"""The configuration by itself: formatted, valid, locked, and refusing what it must. No network, no account."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.command import FOLDER, Terraform


@pytest.mark.terraform
def test_it_is_formatted(terraform: Terraform) -> None:
    assert terraform.run("fmt", "-check", "-recursive", "-diff", expect=None).stdout == ""


@pytest.mark.terraform
def test_it_is_valid(terraform: Terraform) -> None:
    terraform.run("validate", "-no-color")


@pytest.mark.slow
@pytest.mark.terraform
def test_its_own_tests_pass(terraform: Terraform) -> None:
    """infrastructure/terraform/tests: what the variables refuse, and what only prod has; the provider is mocked."""
    said = terraform.run("test", "-no-color").stdout
    (passed, failed) = re.findall(r"^Success! (\d+) passed, (\d+) failed", said, re.MULTILINE)[0]
    runs = sum(path.read_text().count("\nrun ") for path in FOLDER.glob("tests/*.tftest.hcl"))
    assert (int(passed), int(failed)) == (runs, 0)


def test_the_lock_file_covers_every_platform_of_the_registry() -> None:
    """The zh: hashes are those of the release's archives, one for each platform and one for its manifest."""
    lock = (FOLDER / ".terraform.lock.hcl").read_text(encoding="utf-8")
    assert lock.count('provider "') == 1
    assert 'version     = "5.100.0"' in lock
    assert 'constraints = "5.100.0"' in lock
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', lock))) == 15
    assert re.search(r'"h1:[A-Za-z0-9+/]{43}="', lock)


def test_every_environment_has_its_values() -> None:
    for environment in ("dev", "test", "prod"):
        values = (FOLDER / "environments" / f"{environment}.tfvars").read_text(encoding="utf-8")
        assert re.search(rf'^environment\s*=\s*"{environment}"$', values, re.MULTILINE)


def test_no_policy_check_fails_and_each_skip_has_a_reason() -> None:
    checkov = _checkov()
    if checkov is None:
        pytest.skip(
            "test_no_policy_check_fails: no checkov on the PATH nor in .venv-checkov (make checkov installs it)"
        )
    done = subprocess.run(
        [checkov, "--directory", str(FOLDER), "--framework", "terraform", "--skip-download", "--quiet", "--compact"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout
    for path in FOLDER.rglob("*.tf"):
        for skip in re.findall(r"checkov:skip=.*", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"checkov:skip=CKV\w+:.{20,}", skip), f"{path.name}: {skip}"


def _checkov() -> str | None:
    own = Path(__file__).resolve().parents[2] / ".venv-checkov" / "bin" / "checkov"
    return str(own) if os.access(own, os.X_OK) else shutil.which("checkov")
