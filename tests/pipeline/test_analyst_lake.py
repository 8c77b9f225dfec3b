"""Every question of docs/analyst.md about the lake is answered by DuckDB, in words that Athena has too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pandas
import pytest
from pyspark.sql import SparkSession

from data_catalog.lake_tables import LAKE_TABLES
from infrastructure.local.emulator import emulated_aws
from tests.pipeline.analyst_page import ON_LAKE, PAGE, Question
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake's files, in the folders that a workdir has."""
    directory = tmp_path_factory.mktemp("lake")
    with emulated_aws():
        made = EmulatedLake(spark, tmp_path_factory.mktemp("staging"))
        puts = [
            row(1),
            row(2, status="REJECTED"),
            row(3, status="PENDING"),
            row(4, amount="-1"),
            row(5, amount="20000"),
        ]
        made.land(puts, 1, 5)
        made.run()
        for bucket in (BUCKETS.curated, BUCKETS.quarantine):
            for key in made.keys(bucket):
                file = directory / "s3" / bucket / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(made.body(bucket, key))
    yield directory


def on_machine(text: str, directory: Path) -> str:
    return text.replace("DIR", str(directory)).replace("BUCKET", BUCKETS.curated)


@pytest.fixture(scope="module")
def duck(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the lake's tables named, as the page says; its extensions come from packages."""
    with duckdb.connect() as connection:
        for extension in (duckdb_extension_avro, duckdb_extension_iceberg):
            (file,) = Path(extension.__file__).parent.glob("extensions/*/*.duckdb_extension")
            connection.execute(f"LOAD '{file}'")
        (naming,) = re.findall(r"^INSTALL iceberg; LOAD iceberg;\n(.*?)```", PAGE, re.M | re.S)
        connection.execute(on_machine(naming, lake))
        for table in LAKE_TABLES:
            if table.name not in ("transactions", "token_links"):  # this lake has no links
                folder = lake / "s3" / BUCKETS.of(table.bucket) / table.prefix
                connection.execute(
                    f"CREATE VIEW {table.name} AS SELECT * FROM iceberg_scan('{folder}', allow_moved_paths = true)"
                )
        yield connection


@pytest.mark.slow
@pytest.mark.parametrize("question", ON_LAKE, ids=lambda question: question.number)
def test_duckdb_answers_on_the_lake(question: Question, duck: duckdb.DuckDBPyConnection) -> None:
    assert duck.execute(question.sql).fetchall()


# What Athena (Trino) and DuckDB both have, under the same name and with the same arguments.
SHARED = {"COUNT", "SUM", "AVG", "MIN", "MAX", "DATE_DIFF"}


@pytest.mark.parametrize("question", ON_LAKE, ids=lambda question: question.number)
def test_a_query_on_the_lake_uses_what_athena_has_too(question: Question) -> None:
    called = {word.upper() for word in re.findall(r"(\w+)\(", question.sql)}
    assert called <= SHARED
    tables = set(re.findall(r"(?:FROM|JOIN) (\w+)", question.sql))
    assert tables <= {table.name for table in LAKE_TABLES}


@pytest.mark.slow
def test_pandas_and_duckdb_answer_in_one_line(lake: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names = {"pandas": pandas, "duckdb": duckdb}
    grouped, summed = (eval(on_machine(line, lake), names) for line in block.splitlines())
    assert grouped.loc[("EUR", "BOOKED"), "count"] == 2
    assert summed.fetchall()[0][0] == "EUR"
