"""Terraform with its provider for the tests marked `terraform`, or a skip that says what is missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.moto_server import server_process
from tests.terraform.account import Applying, applying
from tests.terraform.command import FOLDER, Terraform
from tests.terraform.provider import TerraformMissing, init_options

_terraform = pytest.StashKey[Terraform | str]()  # initialised, or what is missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs Terraform, by name and with the reason, if the binary or its provider is missing.

    In CI (CI=true) that is a failure, unless ALLOW_NO_TERRAFORM=1 allows it.
    """
    if item.get_closest_marker("terraform") is None:
        return
    found = item.config.stash.get(_terraform, None) or _initialised(item.config)
    if isinstance(found, Terraform):
        return
    reason = f"{item.name}: {found}"
    if os.environ.get("CI") == "true" and os.environ.get("ALLOW_NO_TERRAFORM") != "1":
        pytest.fail(f"{reason}; in CI that is a failure unless ALLOW_NO_TERRAFORM=1", pytrace=False)
    pytest.skip(reason)


def _initialised(config: pytest.Config) -> Terraform | str:
    folder = tempfile.TemporaryDirectory(prefix="terraform-data-")
    config.add_cleanup(folder.cleanup)
    bare = Terraform(FOLDER, Path(folder.name))
    try:
        config.stash[_terraform] = Terraform(FOLDER, bare.data, init_options(FOLDER, bare.environment()))
    except TerraformMissing as missing:
        config.stash[_terraform] = str(missing)
    return config.stash[_terraform]


@pytest.fixture(scope="session")
def terraform(pytestconfig: pytest.Config) -> Terraform:
    """Terraform in the project's own folder, initialised without its backend."""
    found = pytestconfig.stash[_terraform]
    assert isinstance(found, Terraform), "a test that needs Terraform has no mark"
    return found


@pytest.fixture(scope="session")
def copied(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform in a copy of the project's folder, with its provider, that keeps its state in local files (see -state).

    For files that must not lie in the tree, import blocks above all.
    """
    root = tmp_path_factory.mktemp("copy")
    for name in ("security/kms_key_policy.json", "data_governance/s3_access_policy.json"):
        (root / name).parent.mkdir()
        (root / name).symlink_to(FOLDER.parents[1] / name)
    folder = root / "infrastructure" / "terraform"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "imports.tf"))
    (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
    copy = Terraform(folder, root / "data", terraform.init_options)
    copy.init()
    return copy


@pytest.fixture(scope="session")
def account() -> Iterator[str]:
    """The endpoint of an emulated account, for tests that do not meet because of their names and regions."""
    with server_process() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def first_apply(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applying]:
    """The apply to an empty account, under way."""
    with applying(terraform, tmp_path_factory.mktemp("applied")) as under_way:
        yield under_way


@pytest.fixture(autouse=True)
def _start_the_first_apply_early(request: pytest.FixtureRequest) -> None:
    """The provider spends about a minute of it waiting, in which the other tests run."""
    marked = request.node.get_closest_marker("terraform")
    if marked and any("first_apply" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("first_apply")
