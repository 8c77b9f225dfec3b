"""The contract in other tools' forms says what the contract says, and those tools take it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from data_catalog.contract_formats import avro_schema, odcs
from data_catalog.contract_markdown import contract_page
from data_catalog.lake_tables import LAKE_TABLES
from data_catalog.transaction_contract import QUARANTINE_REASONS, TRANSACTION_FIELDS, json_schema
from data_storage.warehouse_dictionary import relations
from scripts.commands.data_dictionary import JOINS, dictionary
from scripts.orchestrate_pipeline import main

DICTIONARY = Path(__file__).resolve().parents[2] / "docs" / "data_dictionary.md"


@pytest.mark.parametrize(
    ("form", "made"),
    [("json-schema", json_schema), ("avro", avro_schema), ("odcs", odcs)],
)
def test_the_command_prints_the_form_as_json(form: str, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", form]) == 0
    assert json.loads(capsys.readouterr().out) == made()


def test_avro_has_every_field_and_a_null_for_what_may_be_absent() -> None:
    fields = {field["name"]: field for field in avro_schema()["fields"]}
    assert list(fields) == [field.name for field in TRANSACTION_FIELDS]
    for field in TRANSACTION_FIELDS:
        is_optional = isinstance(fields[field.name]["type"], list)
        assert is_optional is not field.required
        assert fields[field.name].get("default", "none") == ("none" if field.required else None)
    assert fields["channel"]["type"]["symbols"][0] == "MOBILE"
    assert fields["amount"]["type"] == {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}


def test_fastavro_reads_and_writes_by_it() -> None:
    fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")
    fastavro.parse_schema(avro_schema())


def test_odcs_has_what_is_sent_and_every_table_of_the_lake() -> None:
    document = odcs()
    assert [each["name"] for each in document["schema"]] == [
        "transaction",
        *(f"lake_{table.name}" for table in LAKE_TABLES),
    ]
    sent, *served = document["schema"]
    assert [each["name"] for each in sent["properties"] if each["required"]] == json_schema()["required"]
    for table, found in zip(LAKE_TABLES, served, strict=True):
        assert [each["name"] for each in found["properties"]] == [field.name for field in table.fields]
        (partition,) = [each["name"] for each in found["properties"] if each.get("partitioned")]
        assert partition == table.partition_column


def test_datacontract_cli_finds_nothing(tmp_path: Path) -> None:
    tool = shutil.which("datacontract")
    if tool is None:
        pytest.skip("no datacontract on the PATH (pip install datacontract-cli, in an environment of its own)")
    contract = tmp_path / "contract.odcs.yaml"
    contract.write_text(json.dumps(odcs()))  # JSON is YAML
    done = subprocess.run([tool, "lint", str(contract)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_every_field_and_every_reason() -> None:
    page = contract_page()
    assert all(f"| `{field.name}` |" in page for field in TRANSACTION_FIELDS)
    assert all(f"| `{reason}` |" in page for reason in QUARANTINE_REASONS)


def test_the_data_dictionary_is_current() -> None:
    assert DICTIONARY.read_text(encoding="utf-8") == dictionary() + "\n", (
        "make it anew: .venv/bin/banking-data schema dictionary > docs/data_dictionary.md"
    )


def test_the_picture_joins_tables_by_columns_that_both_have() -> None:
    columns = {each.name: {column.name for column in each.columns} for each in relations(30)}
    for join in JOINS:
        assert join.columns in columns[join.table] & columns[join.other], join
