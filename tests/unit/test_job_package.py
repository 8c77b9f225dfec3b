"""The Glue job's package: the same bytes each time, complete, and without imports that Glue lacks."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_processing.create_glue_job import default_arguments, schedule
from data_processing.fraud_rule_file import shipped_rules
from data_processing.job_package import ROOT, SCRIPT, job_zip, modules_of
from data_processing.job_wheels import REQUIREMENTS, wheels_zip
from infrastructure.settings import Settings

ON_GLUE = {"awsglue", "boto3", "botocore", "pyarrow", "pyspark"}
BROUGHT = {"pyiceberg"}  # by the job's wheels
PROJECT = {path.parent.name for path in ROOT.glob("*/__init__.py")}


class WhatRuns(ast.NodeTransformer):
    """Takes out what is read by type checkers only."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports when it runs."""
    names: set[str] = set()
    for node in ast.walk(WhatRuns().visit(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def constant(name: str) -> ast.expr:
    """The value of a module-level name in the job's script."""
    for node in ast.parse(SCRIPT.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return node.value
    raise AssertionError(f"{SCRIPT.name} has no {name}")


def test_two_builds_are_the_same_bytes() -> None:
    first = job_zip()
    job_zip.cache_clear()
    assert job_zip() == first


def test_the_zip_does_not_depend_on_when_or_by_whom_its_files_were_written() -> None:
    with zipfile.ZipFile(io.BytesIO(job_zip())) as archive:
        members = archive.infolist()
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {member.external_attr >> 16 for member in members} == {0o100644}
    assert [member.filename for member in members] == sorted(member.filename for member in members)


@pytest.mark.parametrize("path", [SCRIPT, *modules_of(SCRIPT)], ids=lambda path: path.stem)
def test_the_job_needs_nothing_that_glue_does_not_have(path: Path) -> None:
    assert imported(path) - ON_GLUE - BROUGHT - PROJECT - sys.stdlib_module_names == set()


def test_neither_provisioning_nor_the_landing_function_is_shipped() -> None:
    shipped = {path.relative_to(ROOT).as_posix() for path in modules_of(SCRIPT)}
    assert "data_catalog/lake_layout.py" in shipped
    assert not any(
        name.startswith(("infrastructure/local", "infrastructure/settings", "scripts", "security", "monitoring"))
        for name in shipped
    )
    assert not {"infrastructure/provisioning.py", "data_ingestion/process_transaction_lambda.py"} & shipped


def test_the_modules_work_from_the_zip_alone(tmp_path: Path) -> None:
    archive = tmp_path / "modules.zip"
    archive.write_bytes(job_zip())
    names = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in modules_of(SCRIPT)
    ]
    code = f"""
import importlib, sys
sys.path.insert(0, {str(archive)!r})
sys.modules["mypy_boto3_s3"] = None  # an import of it would fail
for name in {names!r}:
    assert {str(archive)!r} in importlib.import_module(name).__file__, name
"""
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


def rule_names(archive: Path) -> list[str]:
    """The names of the rules that the job reads from its zip."""
    code = f"""
import sys
sys.path.insert(0, {str(archive)!r})
from data_processing.fraud_rule_file import shipped_rules
print(*(rule.name for rule in shipped_rules()))
"""
    ended = subprocess.run([sys.executable, "-I", "-c", code], cwd=archive.parent, capture_output=True, timeout=120)
    return ended.stdout.decode().split()


def test_the_job_reads_the_shipped_fraud_rules_from_its_zip(tmp_path: Path) -> None:
    archive = tmp_path / "modules.zip"
    archive.write_bytes(job_zip())
    assert rule_names(archive) == [rule.name for rule in shipped_rules()]


def test_a_banks_own_fraud_rules_take_the_place_of_the_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    shipped = (ROOT / "data_processing" / "fraud_rules.toml").read_text()
    own.write_text(shipped.replace('"large_amount"', '"very_large_amount"'))
    archive = tmp_path / "modules.zip"
    archive.write_bytes(job_zip(str(own)))
    assert "very_large_amount" in rule_names(archive)
    assert "large_amount" not in rule_names(archive)


def test_a_module_that_is_imported_inside_a_function_is_shipped_too() -> None:
    assert ROOT / "data_storage" / "warehouse_loader.py" in modules_of(SCRIPT)


def given(settings: Settings | None = None, **services: Any) -> dict[str, str]:
    """The job's default arguments, without the leading hyphens."""
    arguments = default_arguments(replace(settings or Settings(), **services), "s3://modules.zip", "s3://libraries.zip")
    return {name.removeprefix("--"): value for name, value in arguments.items()}


@pytest.mark.parametrize(
    ("services", "other_kind"),
    [({}, "redshift_cluster"), ({"redshift_cluster": "analytics"}, "redshift_workgroup")],
    ids=["workgroup", "cluster"],
)
def test_the_jobs_default_arguments_are_those_that_its_script_takes(services: dict[str, Any], other_kind: str) -> None:
    required = set(ast.literal_eval(constant("_REQUIRED"))) - {"JOB_NAME"}  # Glue gives that one
    optional = set(ast.literal_eval(constant("_OPTIONAL"))) - {"staging_directory", "fraud_rules_file"}  # a laptop's
    own = {name for name in given(**services) if "-" not in name} - {"TempDir"}  # Glue's
    assert own == (required | optional) - {other_kind}


# What Glue 5.1 has itself of pyiceberg's needs (its documentation's list of Python modules).
_GLUES_OWN = {"boto3", "botocore", "click", "pyparsing", "python-dateutil", "requests"}


def test_the_wheels_are_all_that_pyiceberg_needs_beside_glues_own() -> None:
    with zipfile.ZipFile(io.BytesIO(wheels_zip())) as archive:
        wheels = {name for name in archive.namelist() if name.endswith(".whl")}
        listed = archive.read("wheels/requirements.txt").decode().split()
        needed: set[str] = set()
        for name in wheels:
            with zipfile.ZipFile(io.BytesIO(archive.read(name))) as wheel:
                (metadata,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
                needed |= required(wheel.read(metadata).decode())
    brought = {line.partition("==")[0] for line in listed}
    assert len(wheels) == len(listed)
    assert needed - brought - _GLUES_OWN == set()
    assert brought & _GLUES_OWN == set()


def required(metadata: str) -> set[str]:
    """The distributions that a wheel needs on Python 3.11 without extras."""
    found = re.findall(r"^Requires-Dist: ([A-Za-z0-9._-]+)(.*)$", metadata, re.MULTILINE)
    elsewhere = re.compile(r"extra ==|python_version < .3\.(?:9|10|11)|platform_python_implementation")
    return {name.lower().replace("_", "-") for name, rest in found if not elsewhere.search(rest)}


def test_the_wheels_versions_are_those_that_are_tested_with() -> None:
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    shipped = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", REQUIREMENTS.read_text(), re.MULTILINE))
    assert "pyiceberg" in shipped
    assert {name: locked[name] for name in shipped} == shipped


def test_without_a_warehouse_the_job_is_not_asked_to_load() -> None:
    assert not any(name.startswith("redshift") for name in given(redshift_enabled=False))


def test_an_existing_workgroup_is_loaded_by_its_name() -> None:
    assert given(redshift_workgroup="analytics")["redshift_workgroup"] == "analytics"


def test_the_job_loads_the_schema_that_is_provisioned_and_works_in_its_region() -> None:
    arguments = given(Settings(warehouse_schema="finance", region="eu-central-1"))
    assert (arguments["redshift_schema"], arguments["region"]) == ("finance", "eu-central-1")


@pytest.mark.parametrize(
    ("minutes", "expression"),
    [(5, "cron(0/5 * * * ? *)"), (30, "cron(0/30 * * * ? *)"), (60, "cron(0 * * * ? *)")],
)
def test_a_schedule_of_minutes(minutes: int, expression: str) -> None:
    assert schedule(minutes) == expression
