"""backtest: what other fraud rules would have raised on what the lake holds, before they count."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from data_catalog.transaction_contract import CURATED_FIELDS, spark_ddl, typed_columns
from data_processing.fraud_rule_file import read_rules, rules_in_use
from data_processing.fraud_rules import READ
from data_processing.staging import LocalStaging
from infrastructure.aws.iceberg import files_on
from infrastructure.errors import PlatformError
from infrastructure.local.glue_job import CORES, java_options, spark_environment
from infrastructure.local.java import find_java
from scripts.commands.context import CommandContext, open_context
from scripts.commands.terminal import (
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    day,
    outcome,
    print_json,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from data_processing.rule_backtest import Backtest

# The IAM actions that it needs.
PERMISSIONS = "glue:GetTable kms:Decrypt s3:GetObject"
_ROWS_OF_A_TASK = 250_000
_TABLES = ("transactions", "pending_transactions")
_SCHEMA = spark_ddl([column for column in typed_columns(CURATED_FIELDS) if column[0] in READ])


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add backtest; it sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "backtest",
        help="what other fraud rules would have raised, beside today's",
        description="Evaluate a file of fraud rules on the transactions that the lake holds of these dates, beside "
        "today's rules: hits, new and gone alerts, overlap, noise. Reads the files of these dates and of the day "
        "before, into a temporary directory that only you may enter, and evaluates them here with Spark. Writes "
        "nothing to the lake, and prints no account or card.",
    )
    parser.add_argument("--rules", required=True, metavar="FILE", type=Path, help="the rules on trial (TOML)")
    parser.add_argument("--from", dest="first", required=True, type=day, metavar="D", help="first date, in UTC")
    parser.add_argument("--to", dest="last", required=True, type=day, metavar="D", help="last date, in UTC")
    parser.add_argument("--workdir", metavar="DIR", help="in what `local --workdir DIR` kept, not in an account")
    add_account_options(parser)
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_backtest)


def run_backtest(arguments: argparse.Namespace) -> int:
    """Compare, and print the figures."""
    first, last = arguments.first, arguments.last
    if last < first:
        raise PlatformError("backtest", f"--to {last} lies before --from {first}", "Name the earlier date first")
    on_trial = read_rules(arguments.rules)
    began = time.monotonic()
    with open_context(arguments) as context, tempfile.TemporaryDirectory(prefix="backtest-") as directory:
        today = rules_in_use(context.settings.fraud_rules_file)
        with_history = any(rule.history for rule in (*on_trial, *today))
        fetched = _fetched(context, Path(directory), first, last, with_history)
        console(arguments).print(f"Read {fetched.files:,} files, {fetched.size / 1e6:,.1f} MB", soft_wrap=True)
        from data_processing.rule_backtest import backtest

        with _spark(Path(directory), fetched.records) as spark:
            found = backtest(fetched.rows(spark), on_trial, today, first, last, fetched.sightings(spark))
    seconds = time.monotonic() - began
    show(outcome(arguments), console(arguments), found, seconds)
    if arguments.json:
        print_json(_document(found, fetched, seconds))
    return EXIT_OK


class _Fetched:
    """The files of the dates, on this machine."""

    def __init__(self, uris: dict[str, list[str]], files: int, size: int, records: int) -> None:
        self._uris = uris
        self.files = files
        self.size = size
        self.records = records

    def rows(self, spark: SparkSession) -> DataFrame:
        """What rules read of the transactions, each card named by its first token."""
        from data_processing import token_links

        found = spark.read.schema(_SCHEMA).parquet(*(uri for table in _TABLES for uri in self._uris[table]))
        links = self._uris["token_links"]
        held = spark.read.schema(token_links.HELD).parquet(*links) if links else None
        return token_links.by_first_token(found, token_links.first_tokens(held, found)).select(*READ)

    def sightings(self, spark: SparkSession) -> DataFrame | None:
        """What rules with a history rest on; None if there is nothing."""
        from data_processing.sightings import HELD, NAMES

        uris = self._uris.get("sightings")
        return spark.read.schema(HELD).parquet(*uris).select(*NAMES) if uris else None


def _fetched(context: CommandContext, directory: Path, first: date, last: date, with_history: bool) -> _Fetched:
    """Fetch the files of the dates, the links of cards' tokens, and for rules with a history the sightings of the
    months before. Raises PlatformError if there are none."""
    from data_processing.rule_backtest import dates_read
    from data_processing.sightings import months_looked_at

    since, until = dates_read(first, last)
    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    staging = LocalStaging(context.s3, directory)
    uris: dict[str, list[str]] = {}
    files = size = records = 0
    asked = dict.fromkeys(_TABLES, days) | {"token_links": None}
    if with_history:
        asked["sightings"] = months_looked_at([first, last])
    for table, of_days in asked.items():
        found = list(files_on(context.tables(table), of_days))
        uris[table] = staging.read([file.file_path for file in found], table)
        files += len(found)
        size += sum(file.file_size_in_bytes for file in found)
        records += sum(file.record_count for file in found if table in _TABLES)
    if not records:
        raise PlatformError(
            "lake", f"has no transaction from {since} to {until}", "Name dates of event time that are curated"
        )
    return _Fetched(uris, files, size, records)


@contextmanager
def _spark(directory: Path, records: int) -> Iterator[SparkSession]:
    os.environ |= spark_environment(find_java(), directory, java_options(records))
    from pyspark.sql import SparkSession

    from data_processing.spark_session import configure

    spark = configure(SparkSession.builder.appName("backtest").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    # Spark's own default of 200 parts would spend minutes on starting tasks that have nothing to do.
    spark.conf.set("spark.sql.shuffle.partitions", str(max(CORES, records // _ROWS_OF_A_TASK)))
    try:
        yield spark
    finally:
        spark.stop()


def show(told: Console, details: Console, found: Backtest, seconds: float) -> None:
    """Print the figures: how it ends to told, the tables to details."""
    from data_processing.rule_backtest import NOISY

    table = Table(box=None, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    for column in ("raised", "today", "new", "gone", "known"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in found.by_rule:
        figures = (each.raised, each.today, each.new, each.gone, each.known)
        table.add_row(each.rule, *(f"{figure:,}" for figure in figures))
    details.print(table)
    details.print("known: alerts whose account or card has one of today's alerts on that date", style="dim")
    noise = Table(box=None, pad_edge=False)
    noise.add_column("", no_wrap=True)
    for column in ("on trial", "today"):
        noise.add_column(column, justify="right", no_wrap=True)
    both = (found.on_trial, found.today)
    noise.add_row("alerts", *(f"{each.alerts:,}" for each in both))
    noise.add_row("alerts a day", *(f"{each.alerts_a_day:,.1f}" for each in both))
    noise.add_row("alerts per 1,000 accounts", *(f"{each.alerts_per_1000_accounts:,.1f}" for each in both))
    noise.add_row("accounts and cards with alerts", *(f"{each.subjects:,}" for each in both))
    noise.add_row(f"  of them with more than {NOISY}", *(_share(each.noisy, each.subjects) for each in both))
    details.print()
    details.print(noise)
    told.print(
        f"{found.on_trial.alerts:,} alerts, {found.today.alerts:,} today, on {found.transactions:,} transactions of "
        f"{found.accounts:,} accounts from {found.first} to {found.last} ({seconds:.0f} s)",
        soft_wrap=True,
    )


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.0f}%)" if whole else "0"


def _document(found: Backtest, fetched: _Fetched, seconds: float) -> dict[str, object]:
    figures = asdict(found) | {"from": found.first.isoformat(), "to": found.last.isoformat()}
    del figures["first"], figures["last"]
    return figures | {"files_read": fetched.files, "bytes_read": fetched.size, "seconds": round(seconds, 1)}
